"""What is known of a framework: read without importing it, the same once imported, for one to three image axes."""

import importlib
import importlib.metadata
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.kernels import reference
from conformance.kernels.call import Caller
from conformance.kernels.framework import FRAMEWORKS, about, framework, imported, oracle, oracles
from conformance.kernels.load import load
from conformance.kernels.subject import Subject
from conformance.kernels.surroundings import changes_since, restored, surroundings
from conformance.reports.script import why_not
from conformance.running.runner import examine


def printed_by(code: str) -> list[str]:
    """The words that code prints in a new process."""
    code = f"import sys; from conformance.kernels.framework import *; {code}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_what_is_said_of_a_framework_is_read_without_importing_any():
    assert {*FRAMEWORKS}.isdisjoint(printed_by("oracles(); print(*sys.modules)"))


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_what_is_read_of_a_framework_is_what_its_file_says(name):
    pytest.importorskip(name)
    assert framework(name).about == about(name)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_has_what_it_says_that_it_has(name):
    pytest.importorskip(name)
    its = framework(name)
    assert (its.oracle is not None, its.kernels is not None) == (
        bool(its.about.oracle),
        bool(its.about.variants),
    )


@pytest.mark.parametrize("name", [name for name in FRAMEWORKS if about(name).variants])
def test_an_extra_of_this_project_installs_a_framework_that_has_kernels(name):
    assert about(name).extra in importlib.metadata.metadata("npcnn-conformance").get_all("Provides-Extra", [])


@pytest.mark.parametrize("name", ["jax", "onnxruntime"])
def test_what_a_script_cannot_make_arrays_of_has_none(name):
    pytest.importorskip(name)
    subject = Subject({"conv2d": print}, framework=name)
    assert why_not(subject, Case.parse("conv2d"), "output") == f"a script cannot make arrays of {name}"


def test_the_default_oracle_is_named_first_and_the_one_without_a_framework_next():
    assert list(oracles())[:2] == ["torch", "reference"]


def test_numpy_is_imported_wherever_the_suite_runs():
    assert framework("numpy") in imported()


def test_another_module_of_the_name_of_a_framework_is_none():
    assert printed_by("sys.modules['jax'] = sys; print(len(imported()))") == ["0"]


def test_a_state_of_a_framework_is_seen_to_change_and_put_back():
    torch = pytest.importorskip("torch")
    before = surroundings()
    with restored():
        torch.set_default_dtype(torch.float64)
        assert changes_since(before).deciding == ["PyTorch's default dtype"]
    assert changes_since(before) == ([], [])


SWITCHES = {
    "PyTorch's inference mode": "held.append(torch.inference_mode()); held[-1].__enter__()",
    "PyTorch's anomaly mode": "torch.autograd.set_detect_anomaly(True)",
    "PyTorch's deterministic mode": "torch.use_deterministic_algorithms(True)",
    "PyTorch's autocast": "torch.autocast('cpu').__enter__()",
    "PyTorch's default device": "torch.set_default_device('meta')",
    "PyTorch's float32 matmul precision": "torch.set_float32_matmul_precision('medium')",
    "PyTorch's flushing of subnormal numbers": "torch.set_flush_denormal(True)",
}
HELD: list[object] = []  # PyTorch ends an inference mode that nobody holds


@pytest.fixture
def switched():
    """Does a deed, and later puts back what it did."""
    torch = pytest.importorskip("torch")
    with restored():
        yield lambda deed: exec(deed, {"torch": torch, "held": HELD})


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_of_pytorch_that_changes_answers_is_seen_to_change(switched, name):
    before = surroundings()
    switched(SWITCHES[name])
    assert name in changes_since(before).deciding


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_of_pytorch_that_changes_answers_is_put_back(name):
    torch = pytest.importorskip("torch")
    before = surroundings()
    with restored():
        exec(SWITCHES[name], {"torch": torch, "held": HELD})
    assert changes_since(before) == ([], [])


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("text", ["conv2d image=3,3 padding=same", "avg_pool2d image=4,4 kernel=2,2"])
def test_the_oracle_answers_alike_whatever_a_kernel_left_switched(switched, name, text):
    case = Case.parse(text)
    arrays = {n: a.astype(np.float64) * 2.0**-1070 for n, a in fill(case).items()}
    arrays["grad_output"] = np.full_like(arrays["grad_output"], np.nan)
    before = oracle("torch")(case, arrays)
    switched(SWITCHES[name])
    after = oracle("torch")(case, arrays)
    assert all(np.array_equal(after[output], before[output], equal_nan=True) for output in case.outputs)


@pytest.mark.parametrize("name", SWITCHES)
def test_the_oracle_leaves_switched_what_a_kernel_left_so(switched, name):
    switched(SWITCHES[name])
    before = surroundings()
    oracle("torch")(Case.parse("conv2d"), fill(Case.parse("conv2d")))
    assert changes_since(before) == ([], [])


TEXTS = [
    "conv1d channels=4 groups=2 filters=6 image=9 kernel=3 stride=2 padding=1 bias=true",
    "conv1d channels=2 filters=3 image=9 kernel=2 dilation=2 padding=same",
    "conv2d channels=4 groups=2 filters=6 image=5,7 kernel=2,3 stride=2,1 padding=0,1 bias=true",
    "conv3d channels=2 filters=3 image=3,4,5 kernel=1,2,3 stride=1,2,1 padding=0,1,1 dilation=1,2,1",
    "conv_transpose1d channels=4 groups=2 filters=6 image=5 kernel=3 stride=2 padding=1 output_padding=1 bias=true",
    "conv_transpose1d channels=2 filters=3 image=5 kernel=2 stride=2 padding=4 dilation=4 output_padding=3",
    "conv_transpose2d channels=4 groups=2 filters=6 image=3,4 kernel=2,3 stride=2,1 padding=1,2 bias=true",
    "conv_transpose2d channels=2 filters=3 image=3,4 kernel=2,3 dilation=3,4 padding=1,0 output_padding=2,3 bias=true",
    "conv_transpose3d channels=2 filters=3 image=2,3,4 kernel=1,2,3 stride=1,2,1 padding=0,1,1 dilation=1,2,1",
    "max_pool1d channels=2 image=9 kernel=3 stride=2 padding=1",
    "max_pool2d channels=2 image=5,7 kernel=2,3 stride=2,1 padding=0,1",
    "max_pool3d channels=2 image=3,4,5 kernel=1,2,3 stride=1,2,1 padding=0,1,1",
    "avg_pool1d channels=2 image=9 kernel=3 stride=2 padding=1",
    "avg_pool2d channels=2 image=5,7 kernel=2,3 stride=2,1 padding=0,1 count_include_pad=false",
    "avg_pool3d channels=2 image=3,4,5 kernel=1,2,3 stride=1,2,1 padding=0,1,1 count_include_pad=false",
    *(f"adaptive_{kind}_pool1d channels=2 image=8 output_size=4" for kind in ("max", "avg")),
    *(f"adaptive_{kind}_pool2d channels=2 image=6,4 output_size=2,none" for kind in ("max", "avg")),
    *(f"adaptive_{kind}_pool3d channels=2 image=2,3,6 output_size=1,3,2" for kind in ("max", "avg")),
    "lp_pool1d channels=2 image=9 kernel=3 stride=2 norm_type=4",
    "lp_pool2d channels=2 image=5,7 kernel=2,3 stride=2,1",
    "lp_pool3d channels=2 image=3,4,5 kernel=1,2,3 stride=1,2,1",
    "max_unpool1d channels=2 image=5 kernel=3 stride=2 padding=1",
    "max_unpool2d channels=2 image=3,4 kernel=2,3 stride=2,1 output_size=7,6",
    "max_unpool3d channels=2 image=2,3,4 kernel=1,2,3 stride=1,2,1",
]
UNLIKE = [
    "adaptive_max_pool1d channels=2 image=7 output_size=3",
    "adaptive_max_pool2d channels=2 image=3,5 output_size=7,2",
    "adaptive_avg_pool2d channels=2 image=5,7 output_size=3,9",
    "adaptive_avg_pool3d channels=2 image=3,4,5 output_size=2,3,4",
    "lp_pool1d channels=2 image=9 kernel=3 stride=2 norm_type=3 values=non_negative",
    "lp_pool1d channels=2 image=8 kernel=3 stride=2 ceil_mode=true",
    "lp_pool2d channels=2 image=5,7 kernel=2,3 stride=2,1 norm_type=inf",
]
"""What onnxruntime does not claim: adaptive windows of several extents, powers that are not even, ceil_mode."""


@pytest.mark.parametrize("name", ["torch", "torch:channels_last", "jax", "onnxruntime"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_kernels_of_a_framework_are_right_for_one_to_three_image_axes(name, text):
    assert_right(name, text)


@pytest.mark.parametrize("name", ["torch", "torch:channels_last", "jax"])
@pytest.mark.parametrize("text", UNLIKE)
def test_the_kernels_of_a_framework_have_windows_of_several_extents_and_odd_powers(name, text):
    assert_right(name, text)


@pytest.mark.parametrize("text", UNLIKE)
def test_onnxruntime_claims_no_windows_of_several_extents_nor_powers_that_are_not_even(text):
    pytest.importorskip("onnxruntime")
    assert Caller(load("onnxruntime")).why_not(Case.parse(text)) in ("such cases (declared)", "ceil_mode")


@pytest.mark.parametrize("name", ["torch", "torch:channels_last", "jax"])
@pytest.mark.parametrize("text", TEXTS)
def test_the_kernels_of_a_framework_are_right_without_a_batch(name, text):
    assert_right(name, f"{text} batch=none")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "text",
    [
        "lp_pool2d channels=2 image=2,1 kernel=2,1 values=special",
        "lp_pool2d channels=2 image=5,4 kernel=2,2 stride=1 norm_type=3 values=special",
        "lp_pool2d channels=2 image=5,4 kernel=2,2 norm_type=inf ceil_mode=true values=special",
        "adaptive_avg_pool2d channels=2 image=5,4 output_size=3,2 values=special",
        "adaptive_max_pool2d channels=2 image=5,4 output_size=3,7 values=ties",
        "max_unpool2d channels=2 image=3,4 kernel=2,3 stride=1 values=special",
    ],
)
def test_the_gradients_of_jax_are_those_of_pytorch_where_there_are_zeros_ties_and_nan(text, dtype):
    pytest.importorskip("jax")
    case = Case.parse(f"{text} dtype={dtype}")
    told = examine(Caller(load("jax")), reference.answer, "special", case)
    assert [judgement.status for judgement in told] == ["conforms", "conforms"]


def assert_right(name: str, text: str) -> None:
    pytest.importorskip(name.partition(":")[0])
    subject = load(name)
    without = (*subject.without, "divisor_override")  # which PyTorch's avg_pool1d does not have
    case = Case.parse(f"{text} dtype={(*subject.dtypes, 'float64')[0]}")
    arrays = fill(case)
    got = Caller(replace(subject, without=without)).answer(case, arrays, ("output",))["output"]
    np.testing.assert_allclose(got, reference.answer(case, arrays)["output"], rtol=1e-6)


def test_a_kernel_of_jax_is_compiled_once_a_shape(monkeypatch):
    jax = pytest.importorskip("jax")
    jit, jitted = jax.jit, []

    def counted(function):
        jitted.append(function)
        return jit(function)

    monkeypatch.setattr(jax, "jit", counted)
    conv2d = dict(framework("jax").kernels(""))["conv2d"]  # type: ignore[misc]
    image, weight = np.ones((1, 3, 11, 13), np.float32), np.ones((2, 3, 2, 3), np.float32)
    conv2d(image, weight)
    conv2d(2 * image, weight)
    assert len(jitted) == 1


def test_indices_of_a_plane_are_those_of_all_its_axes():
    pytest.importorskip("onnxruntime")
    case = Case.parse("max_pool3d batch=2 channels=2 image=3,4,5 kernel=2,2,2 return_indices=true")
    arrays = fill(case)
    answers = Caller(load("onnxruntime")).answer(case, arrays, ("indices",))
    assert np.array_equal(answers["indices"], reference.answer(case, arrays)["indices"])


@pytest.mark.parametrize("text", TEXTS)
def test_jax_is_an_oracle_for_one_to_three_image_axes(text):
    pytest.importorskip("jax")
    case = Case.parse(text)
    arrays = fill(case)
    answers, expected = oracle("jax")(case, arrays), reference.answer(case, arrays)
    assert set(answers) == set(case.outputs)
    for output in case.outputs:
        np.testing.assert_allclose(answers[output], expected[output], rtol=1e-9, atol=1e-9)


def test_jax_compiles_a_case_once():
    pytest.importorskip("jax")
    module = importlib.import_module("conformance.kernels.frameworks.jax")
    before = module._compiled.cache_info()
    caller, case = Caller(load("jax")), Case.parse("conv2d image=6,11 kernel=3,5 dtype=float64")
    for seed in range(3):
        caller.answer(case, fill(replace(case, seed=seed)))
    after = module._compiled.cache_info()
    assert (after.misses - before.misses, after.hits - before.hits) == (1, 2)
