"""What a kernel changes around it is seen, told by its name, and put back."""

from __future__ import annotations

import builtins
import ctypes
import decimal
import gc
import locale
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from conformance.kernels.getters import settable
from conformance.kernels.surroundings import changes_since, restored, surroundings


def nothing(*arguments: Any) -> None: ...


TOWARDS_ZERO = 0xC00  # on x86
DECIDING: dict[str, Callable[[], object]] = {
    "builtins.print": lambda: setattr(builtins, "print", nothing),
    "builtins.of_the_kernel": lambda: setattr(builtins, "of_the_kernel", 1),
    "the context of decimal numbers": lambda: setattr(decimal.getcontext(), "prec", 7),
    "the locale": lambda: locale.setlocale(locale.LC_ALL, _another_locale()),
}
OTHERS: dict[str, Callable[[], object]] = {
    "gc.get_threshold()": lambda: gc.set_threshold(5),
    "gc.isenabled()": gc.disable,
    "numpy.get_printoptions()": lambda: np.set_printoptions(precision=2),
    "sys.excepthook": lambda: setattr(sys, "excepthook", nothing),
    "sys.getrecursionlimit()": lambda: sys.setrecursionlimit(4321),
    "sys.getswitchinterval()": lambda: sys.setswitchinterval(1),
    "sys.meta_path": lambda: sys.meta_path.append(nothing),
    "sys.path": lambda: sys.path.append("kernels"),
    "sys.tracebacklimit": lambda: setattr(sys, "tracebacklimit", 0),
    "the handlers of signals": lambda: signal.signal(signal.SIGUSR1, nothing),
    "the root logger": lambda: logging.root.setLevel(1),
    "the umask": lambda: os.umask(0o007),
    "threading.getprofile()": lambda: threading.setprofile(nothing),
}
OF_PYTORCH: dict[str, Callable[[Any], object]] = {
    "torch.backends.cudnn.benchmark": lambda torch: setattr(torch.backends.cudnn, "benchmark", True),
    "torch.backends.mkldnn.enabled": lambda torch: setattr(torch.backends.mkldnn, "enabled", False),
    "torch.backends.mha.get_fastpath_enabled()": lambda torch: torch.backends.mha.set_fastpath_enabled(False),
    "torch.is_autocast_cache_enabled()": lambda torch: torch.set_autocast_cache_enabled(False),
}


def _another_locale() -> str:
    return "C" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8"


@pytest.mark.parametrize("name", DECIDING)
def test_what_changes_what_others_compute_is_seen_by_its_name_and_put_back(name):
    before = surroundings()
    with restored():
        DECIDING[name]()
        assert changes_since(before) == ([name], [])
    assert changes_since(before) == ([], [])


@pytest.mark.parametrize("name", OTHERS)
def test_what_no_answer_depends_on_is_seen_by_its_name_and_put_back(name):
    before = surroundings()
    with restored():
        OTHERS[name]()
        assert changes_since(before) == ([], [name])
    assert changes_since(before) == ([], [])


@pytest.mark.parametrize("name", OF_PYTORCH)
def test_what_pytorch_lets_everybody_set_is_found_by_looking_through_it(name):
    torch = pytest.importorskip("torch")
    before = surroundings()
    with restored():
        OF_PYTORCH[name](torch)
        assert name in changes_since(before).deciding
    assert changes_since(before) == ([], [])


def test_pytorchs_random_state_is_seen_to_change_and_put_back():
    torch = pytest.importorskip("torch")
    before = surroundings()
    with restored():
        torch.rand(1)
        assert changes_since(before) == ([], ["PyTorch's random state"])
    assert changes_since(before) == ([], [])


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of another direction is x86's")
def test_a_direction_of_rounding_that_native_code_leaves_is_put_back():
    before = surroundings()
    with restored():
        ctypes.CDLL(None).fesetround(TOWARDS_ZERO)
        assert changes_since(before).deciding == ["the direction of rounding"]
    assert changes_since(before) == ([], [])


def test_a_thread_that_still_runs_is_told_and_those_that_a_pool_starts_later_are_not():
    done = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        pool.submit(nothing).result()
        before = surroundings()
        for _ in range(2):
            pool.submit(done.wait)
        pooled = changes_since(before)
        threading.Thread(target=done.wait).start()
        left = changes_since(before)
        done.set()
    assert (pooled, left) == (([], []), ([], ["the number of threads that run"]))


def test_a_list_that_grew_is_put_back_as_the_same_list():
    held = sys.path
    with restored():
        sys.path.append("kernels")
    assert sys.path is held
    assert "kernels" not in held


def library(**functions: Callable[..., object]) -> ModuleType:
    module = ModuleType("library")
    vars(module).update(functions)
    return module


def test_a_getter_without_a_setter_or_with_an_argument_is_no_state():
    module = library(get_count=lambda: 1, get_of=lambda name: 1, set_of=nothing)
    assert settable(module) == {}


def test_a_getter_that_says_another_each_time_is_no_state():
    numbers = iter(range(9))
    assert settable(library(get_next=lambda: next(numbers), set_next=nothing)) == {}


def test_a_setter_takes_what_its_getter_says_as_it_takes_arguments():
    got: list[Any] = []
    module = library(get_two=lambda: (1, 2), set_two=lambda *each: got.append(each))
    (shared,) = settable(module).values()
    assert shared.put_back
    shared.put_back((1, 2))
    assert got == [(1, 2)]
