"""The process that desks are forked from: what every one needs is loaded once, the oracle too."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import socket
import sys
import tempfile
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from conformance.elsewhere.place import place
from conformance.running import worker
from conformance.running.limits import die_with_parent
from conformance.running.server import kill_group

PREFIX = "conformance-"  # of folders that files are unpacked into, before the number of this process
LOOK = 1.0  # seconds between two looks for desks that have ended


def serve(control: int, oracle: str) -> NoReturn:
    """Fork a desk for each connection that comes, until nobody can send one."""
    from conformance.elsewhere import desk
    from conformance.running import explanation

    assert desk and explanation  # loaded here, so that no desk has to
    worker.preload({"oracle": oracle, "subject": ""})
    place()  # of the suite as it is loaded
    gc.freeze()
    _remove_old()
    folders: dict[int, Path] = {}  # by the desk's process
    asked = socket.socket(fileno=control)
    while _look(asked, folders):
        for process in [*folders]:
            if os.waitpid(process, os.WNOHANG)[0]:
                kill_group(process)
                shutil.rmtree(folders.pop(process), ignore_errors=True)
    for process, folder in folders.items():
        kill_group(process)
        os.waitpid(process, 0)
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _remove_old() -> None:
    """The folders of nurseries that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def _look(asked: socket.socket, folders: dict[int, Path]) -> bool:
    """Fork one desk, if it is asked for; False where nobody is there any more."""
    if not select.select([asked], [], [], LOOK)[0]:
        return True
    message, descriptors, _, _ = socket.recv_fds(asked, 16, 1)
    if not message:
        return False
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    parent, process = os.getpid(), os.fork()
    if not process:
        _become_desk(parent, asked, descriptors[0], folder)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it is gone, or has done so itself
        os.setpgid(process, process)  # what the subject starts when it is imported ends with it
    os.close(descriptors[0])
    folders[process] = folder
    return True


def _become_desk(parent: int, asked: socket.socket, connection: int, folder: Path) -> NoReturn:
    from conformance.elsewhere import desk

    try:
        os.setpgid(0, 0)
        die_with_parent(parent)
        asked.close()
        desk.attend(Connection(connection), folder)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)
