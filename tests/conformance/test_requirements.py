"""What single requirements see: a call in another mode, after another operation, among many, in a new process."""

import ctypes
import shutil
import subprocess
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from conformance.audit import mutants
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.features import features_of
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.functions import functions
from conformance.kernels.load import load
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES
from conformance.operations.windows import pad
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.in_process import InProcess
from conformance.running.judge import judge
from conformance.running.run import run
from conformance.running.settings import Settings
from conformance.running.tasks import Task
from conformance.running.workers import Workers

RIGHT = functions("conv2d")


def said(requirement: str, subject: Subject, text: str) -> str:
    """What is said against a subject by one case."""
    judged = REQUIREMENTS[requirement].check(Caller(subject), reference.answer, Case.parse(text))
    return " ".join(judgement.message for judgement in judged if judgement.failed)


# Subnormal numbers.


def flushing(strict: bool = False) -> Subject:
    mutant = mutants.named("conv2d_output_subnormal_answers_are_flushed_to_zero")
    return Subject(mutant.subject(), dtypes=("float16", "float32"), strict=strict)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_subnormal_numbers_that_are_lost_are_advised_of(dtype):
    case = Case.parse(f"conv2d image=5,7 kernel=3,2 dtype={dtype} values=subnormal")
    judged = REQUIREMENTS["special"].check(Caller(flushing()), reference.answer, case)
    assert [each.status for each in judged if each.output == "output"] == ["advice"]
    assert "subnormal numbers are lost" in said("special", flushing(strict=True), str(case))


def test_what_is_no_loss_of_subnormal_numbers_fails():
    wrong = mutants.named("conv2d_output_right_on_the_first_call_only").subject()
    wrong.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 1, 1)))
    assert "expected" in said("special", Subject(wrong), "conv2d image=3,3 values=subnormal")


def test_what_is_as_wrong_on_usual_numbers_is_no_loss_of_subnormal_ones():
    overwrites = (
        "conv2d_grad_input_windows_that_overlap_overwrite_the_gradient_of_the_input_instead_of_adding"
    )
    wrong = Subject(mutants.named(overwrites).subject(), dtypes=("float32",))
    assert "expected" in said("special", wrong, "conv2d image=3,3 kernel=2,2 values=subnormal seed=1")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
@pytest.mark.parametrize(("seed", "scaled"), [(0, {"input", "bias"}), (1, {"grad_output"})])
def test_subnormal_numbers_are_integers_times_the_smallest(dtype, seed, scaled):
    case = Case.parse(f"conv2d image=3,4 bias=true dtype={dtype} values=subnormal seed={seed}")
    whole = fill(replace(case, values="integers"))
    smallest = {name: DTYPES[dtype].subnormal if name in scaled else 1.0 for name in whole}
    for name, array in fill(case).items():
        assert np.array_equal(array.astype(np.float64), whole[name].astype(np.float64) * smallest[name])


# State.


def border_of_another_operation() -> Subject:
    """A workspace is kept by its shape, and only its inside is written again."""
    kept: dict[tuple[int, ...], np.ndarray] = {}

    def padded(x, padding, value):
        sides = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in np.resize(padding, 2)]
        fresh = pad(x, tuple(sides), value)
        border = kept.setdefault(fresh.shape, fresh)
        border[..., : x.shape[-2], : x.shape[-1]] = fresh[..., : x.shape[-2], : x.shape[-1]]
        inside = tuple(slice(low, low + n) for n, (low, _) in zip(x.shape, sides, strict=True))
        kept[fresh.shape][inside] = x
        return kept[fresh.shape].copy()

    def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return RIGHT.conv2d(padded(x, padding, 0), w, bias, stride, 0, dilation, groups)

    def max_pool2d(x, kernel_size, stride=None, padding=0):
        kept.clear()
        return functions("max_pool2d").max_pool2d(padded(x, padding, -np.inf), kernel_size, stride, 0)

    return Subject({"conv2d": conv2d, "max_pool2d": max_pool2d}, without=("padding=same", "padding=valid"))


def test_what_another_operation_left_is_seen():
    text = "conv2d channels=2 filters=3 image=5,6 kernel=3,3 padding=1"
    assert "after max_pool2d " in said("state", border_of_another_operation(), text)


def test_an_answer_among_many_is_seen():
    calls = {"so far": 0}

    def conv2d(x, w, *arguments, **options):
        calls["so far"] += 1
        answer = RIGHT.conv2d(x, w, *arguments, **options)
        return answer if calls["so far"] != 40 else answer + 1

    text = "conv2d channels=32 filters=2 image=8,9 kernel=3,3 padding=1 bias=true"
    assert said("state", Subject({"conv2d": conv2d}), text).startswith("one of 40 calls in a row")


# Contract.

WRONG = {
    "on tensors that require no gradient": lambda torch, x: not x.requires_grad and torch.is_grad_enabled(),
    "under torch.no_grad()": lambda torch, x: (
        not torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    ),
    "under torch.inference_mode()": lambda torch, x: torch.is_inference_mode_enabled(),
}


@pytest.mark.parametrize("mode", WRONG)
def test_a_forward_without_gradients_is_judged(mode):
    torch = pytest.importorskip("torch")

    def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        answer = torch.nn.functional.conv2d(x, w, bias, stride, padding, dilation, groups)
        return answer + 1 if WRONG[mode](torch, x) else answer

    subject = Subject({"conv2d": conv2d}, framework="torch")
    text = "conv2d image=5,6 kernel=3,3 bias=true"
    assert said("contract", subject, text).startswith(f"{mode}: ")
    assert said("exact", subject, text) == ""


def of_lists(changed):
    def conv2d(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return RIGHT.conv2d(x, w, bias, changed(stride), padding, dilation, groups)

    return Subject({"conv2d": conv2d})


def judged(subject: Subject, *requirements: str):
    return run(
        subject, InProcess(subject, reference.answer), Settings(["conv2d"], requirements, profile="quick")
    )


def test_a_kernel_that_reads_lists_otherwise_is_found():
    report = judged(of_lists(lambda stride: 1 if isinstance(stride, list) else stride), "contract")
    (row,) = (row for row in report.rows if row.output == "output" and row.unit.dtype == "float32")
    assert "written=lists" in str(row.failure.case)


def test_a_kernel_that_refuses_lists_does_not_claim_them():
    def refused(stride):
        if isinstance(stride, list):
            raise TypeError("a tuple, please")
        return stride

    report = judged(of_lists(refused), "contract")
    assert report.passed
    assert ("conv2d", "options as lists", "TypeError: a tuple, please") in report.not_claimed


# Threads.

FILLED_AT_FIRST = """
table = []
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if not table:
        for number in range(3):
            table.append(number)
    answer = npcnn.conv2d(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return answer if len(table) == 3 else answer + 1
"""


def test_a_table_that_the_first_call_fills_is_met_half_full(write_kernel):
    name = write_kernel("fills_a_table", FILLED_AT_FIRST)
    plan = Plan("conv2d", "float32", features_of("conv2d") | {"float32"})
    with Workers(name, "reference", jobs=1) as workers:
        list(workers.examine("exact", [Case.parse("conv2d")]))  # the one worker is no longer new
        rows = judge(Task(plan, "threads"), load(name), workers, shrinks=False)
    assert [row.verdict for row in rows if row.output == "output"] == ["differs"]


def test_an_argument_that_is_changed_and_put_back_is_met_by_another_thread():
    mutant = mutants.named("conv2d_output_not_safe_in_threads_the_weight_is_flipped_in_place_and_put_back")
    assert "threads" in said("threads", Subject(mutant.subject()), "conv2d image=3,4 kernel=2,3")


SHARED = """
#include <sched.h>
#include <string.h>
static float buffer[1 << 16];
static volatile int calls;
void through_buffer(const float *x, float *y, int n) {
    int mine = ++calls;
    memcpy(buffer, x, n * sizeof(float));
    for (int i = 0; i < 2000 && calls == mine; i++) sched_yield();
    memcpy(y, buffer, n * sizeof(float));
}
"""


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_memory_that_native_code_shares_is_met(tmp_path):
    (tmp_path / "shared.c").write_text(SHARED)
    library = str(tmp_path / "shared.so")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, str(tmp_path / "shared.c")], check=True)
    through = ctypes.CDLL(library).through_buffer

    def conv2d(x, w, *arguments, **options):
        copied = np.empty(x.shape, np.float32)
        through(np.ascontiguousarray(x).ctypes, copied.ctypes, x.size)
        return RIGHT.conv2d(copied, w, *arguments, **options)

    subject = Subject(SimpleNamespace(conv2d=conv2d), dtypes=("float32",))
    assert "from 4 threads" in said("threads", subject, "conv2d image=5,6 kernel=3,3")
