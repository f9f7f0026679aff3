"""Each example as its reader would check it: the right ones conform, the wrong ones get the verdict they earn."""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import conformance
from conformance import Case
from conformance.kernels.call import Caller
from conformance.kernels.framework import oracle
from conformance.kernels.load import load
from conformance.running.run import run
from conformance.running.runner import examine
from conformance.running.settings import Settings
from conformance.usage import runner_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def built():
    """The C kernels, compiled."""
    if not shutil.which(shlex.split(os.environ.get("CC", "cc"))[0]):
        pytest.skip("no C compiler")
    subprocess.run([sys.executable, EXAMPLES / "c_kernel" / "build.py"], check=True)


@pytest.mark.parametrize("name", ["numpy_kernel.py", "nhwc_kernel.py"])
def test_numpy_kernel_conforms(name):
    assert check(name).passed


def test_numpy_kernel_reports_what_its_signature_lacks():
    report = check("numpy_kernel.py", requirements=["threads"])
    lacking = {feature for _, feature, reason in report.not_claimed if reason == "not in the signature"}
    assert lacking == {"dilation", "groups"}


def test_winograd_kernel_is_never_accused():
    assert [row for row in check("winograd_kernel.py").rows if row.failure] == []


def test_torch_kernel_conforms():
    pytest.importorskip("torch")
    assert check("torch_kernel.py", requirements=["exact", "arguments"], dtypes=["float32"]).passed


@pytest.mark.parametrize(
    "case",
    [
        "conv2d batch=2 channels=4 image=5,6 kernel=3,2 filters=6 groups=2 stride=2,1 dilation=1,2 bias=true",
        "conv2d batch=0 channels=2 image=3,4 kernel=2,2 padding=1",
        "avg_pool2d channels=2 image=7,5 kernel=3,2 stride=2,1",
    ],
)
def test_jax_kernel_answers_right(case):
    pytest.importorskip("jax")
    judgements = examine(
        Caller(load(str(EXAMPLES / "jax_kernel.py"))), oracle("reference"), "exact", Case.parse(case)
    )
    assert {judgement.status for judgement in judgements} == {"conforms"}


def test_c_kernel_conforms(built):
    assert check("c_kernel/kernel.py", dtypes=["float32"]).passed


def test_c_kernel_that_drops_a_tail_differs_in_its_ninth_column(built):
    report = check(
        "c_kernel/kernel_wrong.py", operations=["conv2d"], requirements=["exact"], dtypes=["float32"]
    )
    failures = {row.output: str(row.failure.case) for row in report.rows if row.failure}
    assert failures == {"output": "conv2d image=1,9"}


@pytest.mark.parametrize(
    ("name", "requirement", "status", "smallest"),
    [
        ("segfaults_on_empty", "empty", "crashed", "conv2d batch=0"),
        ("exits", "threads", "exited", "conv2d channels=2 filters=2 groups=2"),
        ("hangs", "threads", "hung", "conv2d stride=2"),
    ],
)
def test_c_kernel_that_dies_gets_its_verdict(built, name, requirement, status, smallest):
    report = check_in_workers(f"c_crashes/{name}.py", requirement)
    failures = {(row.output, row.verdict, str(row.failure.case)) for row in report.rows if row.failure}
    assert failures == {("output", status, smallest)}


@pytest.mark.parametrize(
    ("name", "told"),
    [("reads_past_input", "reads beyond input"), ("writes_past_input", "writes beyond input")],
)
def test_c_kernel_that_leaves_its_input_is_caught_in_the_act(built, name, told):
    report = check_in_workers(f"c_crashes/{name}.py", "memory")
    messages = {row.output: row.failure.judgement.message for row in report.rows if row.failure}
    assert list(messages) == ["output"]
    assert messages["output"].startswith(told)


@pytest.mark.parametrize(
    "case",
    [
        "conv2d batch=2 channels=4 image=5,6 kernel=3,2 filters=3 stride=2,1 padding=1,0 bias=true",
        "conv2d channels=2 image=4,5 values=special kernel=2,2 filters=3",
    ],
)
def test_layer_answers_right_in_its_gradients_too(case):
    judgements = judged("layer_kernel.py", case)
    assert {"output", "grad_input", "grad_weight"} <= judgements.keys()
    assert set(judgements.values()) == {"conforms"}


def test_kernelbench_kernel_differs_by_its_products():
    assert judged("kernelbench_kernel.py", "conv2d")["output"] == "differs"


def test_numba_kernel_conforms():
    pytest.importorskip("numba")
    assert check("numba_kernel.py", requirements=["exact", "special", "empty", "arguments"]).passed


def test_triton_kernel_answers_right(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    pytest.importorskip("triton")
    case = "conv2d batch=2 channels=2 image=5,6 kernel=2,3 filters=3 stride=2,1 padding=1 bias=true"
    assert judged("triton_kernel.py", case)["output"] == "conforms"


def judged(name, case):
    """What one case says of each output of an example of PyTorch's tensors, however small its Subject wants cases."""
    pytest.importorskip("torch")
    caller = Caller(replace(load(str(EXAMPLES / name)), only=None))
    judgements = examine(caller, oracle("reference"), "exact", Case.parse(case))
    return {judgement.output: judgement.status for judgement in judgements}


def check(name, **asked):
    return conformance.check(str(EXAMPLES / name), oracle="reference", profile="quick", **asked)


def check_in_workers(name, requirement):
    subject = load(str(EXAMPLES / name))
    with runner_of(subject, "reference", jobs=2, timeout=0.4) as runner:
        return run(subject, runner, Settings(requirements=(requirement,), profile="quick"))
