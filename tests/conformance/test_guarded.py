"""Guarded arrays: one element too far ends the process; what is never written is seen."""

import gc
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from conformance.cases import Case, CaseError
from conformance.cases.arrays import fill
from conformance.cases.guarded import GUARDS, allocations, never_written
from conformance.kernels.framework import oracle
from conformance.kernels.load import load
from conformance.kernels.subject import Subject
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.running.settings import Settings
from conformance.running.workers import Workers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="guarded pages need mprotect")
needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")


@pytest.mark.parametrize("view", GUARDS)
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 40, 50), (0, 3), ()])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_guarded_array_holds_what_the_array_holds(view, shape, dtype):
    array = np.random.default_rng(0).random(shape).astype(dtype)
    guarded = GUARDS[view](array)
    assert np.array_equal(guarded, array)
    assert guarded.dtype == dtype
    assert guarded.flags.writeable


def test_the_array_ends_where_the_page_ends():
    array = GUARDS["ends_at_guard"](np.zeros((3, 5), np.float32))
    assert (array.ctypes.data + array.nbytes) % 4096 == 0


def test_guarded_memory_goes_with_its_array():
    array = GUARDS["ends_at_guard"](np.zeros(1000))
    memory = array.base
    del array
    gc.collect()
    assert sys.getrefcount(memory) <= 2


@pytest.mark.parametrize(
    ("access", "ends"),
    [("array[0, 0, -1]", False), ("beyond[-1]", False), ("beyond[3]", True), ("before[-1]", True)],
)
def test_only_an_access_outside_of_the_array_ends_the_process(access, ends):
    script = (
        "import ctypes, numpy as np\nfrom conformance.cases.guarded import GUARDS\n"
        "array = GUARDS['ends_at_guard'](np.ones((1, 1, 3)))\n"
        "beyond = (ctypes.c_double * 3).from_address(array.ctypes.data)\n"
        "beyond = ctypes.cast(beyond, ctypes.POINTER(ctypes.c_double)) if '3' in {access!r} else [1]\n"
        "start = GUARDS['starts_after_guard'](np.ones(3))\n"
        "before = ctypes.cast(start.ctypes.data, ctypes.POINTER(ctypes.c_double))\n"
        f"assert {access} == 1"
    ).replace("{access!r}", repr(access))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert (subprocess.run([sys.executable, "-c", script], env=environment).returncode < 0) == ends


@pytest.mark.parametrize("view", GUARDS)
def test_what_numpy_allocates_is_guarded_and_poisoned(view):
    with allocations(GUARDS[view]) as given:
        empty = np.empty((3, 5), np.float32)
        zeros = np.zeros((3, 5), np.float32)
        grown = np.fromiter(iter(range(3000)), float)
    assert never_written(empty).all()
    assert np.isnan(empty).all()
    assert not zeros.any()
    assert grown.sum() == 2999 * 1500
    assert not given.overran


def test_the_canary_behind_an_allocation_is_watched():
    with allocations(GUARDS["ends_at_guard"]) as given:
        array = np.empty(3, np.float32)  # 12 bytes, aligned to 16
    np.ndarray(4, np.float32, _longer(array))[3] = 0
    assert given.overran


def test_an_allocation_may_go_while_the_canaries_are_looked_at():
    with allocations(GUARDS["ends_at_guard"]) as given:
        array = np.empty(3, np.float32)
    given.fresh.add(-1)  # as one that the garbage collector frees in between
    assert not given.overran
    given.fresh.clear()
    assert array.size == 3


def _longer(array):
    import ctypes

    return (ctypes.c_char * 16).from_address(array.ctypes.data)


def test_numpy_allocates_as_before_afterwards():
    with allocations(GUARDS["ends_at_guard"]):
        pass
    assert not never_written(np.zeros(3)).any()


def test_a_layout_names_the_guard_of_each_array():
    case = Case.parse("conv2d layout=input:ends_at_guard,answers:starts_after_guard")
    assert fill(case)["input"].ctypes.data % 4096
    with pytest.raises(CaseError, match="no such layout"):
        Case.parse("conv2d layout=answers:transposed")


def test_in_this_process_memory_is_reported_as_not_asked():
    subject = Subject({"conv2d": lambda input, weight, **options: input})
    report = run(
        subject, InProcess(subject, oracle("reference")), Settings(requirements=("memory",), profile="quick")
    )
    assert ("conv2d", "memory", "judged in worker processes only") in report.not_claimed
    assert not report.passed


C = """
#include <stddef.h>
void pool(const float *x, float *y, ptrdiff_t planes, ptrdiff_t h, ptrdiff_t w) {
    volatile float *seen = (volatile float *)x;
    for (ptrdiff_t i = 0; i < planes * (h / 2) * (w / 2); i++) {
        ptrdiff_t q = i % (w / 2), p = i / (w / 2) % (h / 2), n = i / (w / 2) / (h / 2);
        const float *at = x + (n * h + 2 * p) * w + 2 * q;
        float best = at[0];
        if (at[1] > best) best = at[1];
        if (at[w] > best) best = at[w];
        if (at[w + 1] > best) best = at[w + 1];
        if (SKIPPED) continue;
        y[i] = best;
    }
    ptrdiff_t i = 0;
    if (w % 4 == 2) { MISTAKE }
    (void)i;
}
"""
PYTHON = """
import ctypes
import numpy as np
from conformance import Subject
library = ctypes.CDLL("LIBRARY")

def max_pool2d(input, kernel_size):
    n, c, h, w = input.shape
    if kernel_size != 2 or input.dtype != np.float32:
        r, s = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        windows = input[..., : h // r * r, : w // s * s].reshape(n, c, h // r, r, w // s, s)
        return windows.max(axis=(3, 5))
    x = np.ascontiguousarray(input)
    y = np.empty((n, c, h // 2, w // 2), np.float32)
    library.pool(*(ctypes.c_void_p(a.ctypes.data) for a in (x, y)), *map(ctypes.c_ssize_t, (n * c, h, w)))
    return y
"""


@needs_gcc
@pytest.mark.parametrize(
    ("mistake", "verdict", "told"),
    [
        ("", "conforms", ""),
        ("(void)seen[planes * h * w];", "crashed", "reads beyond input: crashed (SIGSEGV)"),
        ("(void)seen[-1];", "crashed", "reads before input: crashed (SIGSEGV)"),
        ("seen[planes * h * w] = 0;", "crashed", "writes beyond input: crashed (SIGSEGV)"),
        ("y[-1] = 0;", "crashed", "writes before an array that it allocates: crashed (SIGSEGV)"),
        ("y[planes * (h / 2) * (w / 2)] = 0;", "differs", "writes beyond an array that forward allocates"),
        ("i % 4 == 3", "differs", "is never written; 1 of 4 elements"),
    ],
)
def test_a_kernel_that_leaves_its_arrays_is_told_which(tmp_path, mistake, verdict, told):
    skipped = mistake if mistake.startswith("i ") else "0"
    (tmp_path / "pool.c").write_text(C.replace("SKIPPED", skipped).replace("MISTAKE", mistake + ";"))
    library = tmp_path / "pool.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, tmp_path / "pool.c"], check=True)
    (tmp_path / "pooling.py").write_text(PYTHON.replace("LIBRARY", str(library)))
    name = str(tmp_path / "pooling.py")
    with Workers(name, "reference", jobs=2) as workers:
        report = run(load(name), workers, Settings(requirements=("memory",), profile="quick"))
    (row,) = (row for row in report.rows if row.output == "output")
    assert row.verdict == verdict
    assert told in (row.failure.judgement.message if row.failure else "")
