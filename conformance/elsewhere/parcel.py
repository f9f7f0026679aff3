"""The files of a subject, which travel to where it is judged."""

from __future__ import annotations

import importlib.util
import modulefinder
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.kernels.framework import FRAMEWORKS
from conformance.kernels.own import is_own
from conformance.kernels.source.foreign import SUFFIXES
from conformance.usage import WrongUsage

MOST = 64 << 20  # bytes: a kernel is small, and what is not is better installed there
LIBRARIES = (".so", ".dylib", ".dll", ".pyd")


OUTSIDE = ".outside"  # the folder of files that do not lie below the working directory


@dataclass(frozen=True)
class Parcel:
    """Files by their way from the working directory; none where the subject is installed.

    name   of the subject, where they are unpacked
    sent   the working directory that they are sent from
    home   the folder that they come from, and its way from the working directory, or OUTSIDE
    path   what modules are found in, by its way from there
    """

    name: str
    sent: str
    home: str = ""
    way: str = ""
    path: str = ""
    files: tuple[tuple[str, bytes], ...] = ()

    def unpack(self, folder: Path) -> None:
        for name, content in self.files:
            file = folder / self.way / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def names(self, folder: Path) -> list[tuple[str, str]]:
        """What stands in texts where it is unpacked, and what stands for that where it comes from."""
        if self.way != OUTSIDE:
            return [(str(folder), self.sent)]
        return [
            (str(folder / OUTSIDE), self.home),
            (f"{OUTSIDE}/", f"{os.path.relpath(self.home, self.sent)}/"),
        ]


def parcel_of(name: str, carried: Sequence[str] = ()) -> Parcel:
    """The subject's file or package, what it imports from beside it, libraries and sources there, what is carried.

    Nothing is run for it: imports are read, so one that is made by its name at run time is not seen.
    """
    where, colon, inside = name.partition(":")
    if where.endswith(".py"):
        file = Path(where).resolve()
        own = {file, *_imported(file), *_beside(file.parent)}
        return _packed(name, file, own, carried, inside=f"{colon}{inside}")
    if where in FRAMEWORKS or not (folder := _folder_of(where.partition(".")[0])):
        return Parcel(name, str(Path.cwd()))
    top = folder / where.partition(".")[0]
    own = (
        set(_below(top))
        if top.is_dir()
        else {file for file in folder.glob(f"{top.name}.*") if file.is_file()}
    )
    for file in [file for file in own if file.suffix == ".py"]:
        own |= {each for each in _imported(file) if each.is_relative_to(folder)}
    return _packed(name, top, own | set(() if top.is_dir() else _beside(folder)), carried)


def _folder_of(module: str) -> Path | None:
    """The folder that a module is found in, unless it is installed."""
    spec = importlib.util.find_spec(module)
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    place = next(filter(None, places), "")
    return Path(place).resolve().parent if place and is_own(str(Path(place).resolve())) else None


def _imported(file: Path) -> Iterator[Path]:
    """What it imports from its folder, and what that imports."""
    finder = modulefinder.ModuleFinder(path=[str(file.parent)])
    try:
        finder.run_script(str(file))
    except (SyntaxError, ValueError, OSError):  # as the import will tell
        return
    for module in finder.modules.values():
        if file_of := getattr(module, "__file__", None):
            yield Path(file_of).resolve()


def _beside(folder: Path) -> Iterator[Path]:
    """Libraries that it may load, and texts of its kind."""
    wanted = (*LIBRARIES, *SUFFIXES)
    return (file for file in folder.glob("*") if file.is_file() and wanted.count(file.suffix))


def _below(folder: Path) -> Iterator[Path]:
    """The files of a package."""
    return (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _packed(
    name: str, top: Path, own: Iterable[Path], carried: Sequence[str], inside: str | None = None
) -> Parcel:
    """What lies in the folder of the top file or package, as far as it is its own or carried."""
    home, here = top.parent, Path.cwd()
    files = {file.resolve() for file in own if file.resolve().is_relative_to(home)}
    for each in carried:
        path = Path(each).resolve()
        if not path.exists():
            raise WrongUsage(f"--carry {each}: no such file or folder")
        if not path.is_relative_to(home):
            raise WrongUsage(f"--carry {each}: must lie in {home}, as {name} does")
        files |= set(_below(path)) if path.is_dir() else {path}
    size = sum(file.stat().st_size for file in files)
    if size > MOST:
        raise WrongUsage(f"{name}: its files have {size:,} bytes; {MOST:,} travel, install the rest there")
    packed = tuple((file.relative_to(home).as_posix(), file.read_bytes()) for file in sorted(files))
    way = home.relative_to(here).as_posix() if home.is_relative_to(here) else OUTSIDE
    there = name if inside is None else f"{Path(way, top.name).as_posix()}{inside}"
    return Parcel(there, str(here), str(home), way, way if inside is None else "", packed)
