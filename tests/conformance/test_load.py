"""Subjects loaded by name: modules, files, objects in them, frameworks."""

import importlib.util
import subprocess
import sys
import warnings

import numpy as np
import pytest

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.kernels.call import Caller
from conformance.kernels.load import load, seems_to_lack
from conformance.kernels.subject import SubjectError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch.py", "nosuch.py: no such file"),
        ("nosuchmodule", "nosuchmodule: importing it raises ModuleNotFoundError"),
        ("npcnn:nothing", "npcnn:nothing: npcnn has no nothing"),
        ("json", "json: has none of the functions conv"),
        ("torch:strided", "torch:strided: there are torch, torch:contiguous and torch:channels_last"),
    ],
)
def test_a_subject_that_cannot_be_loaded_says_why(name, message):
    if name.startswith("torch"):
        pytest.importorskip("torch")
    with pytest.raises(SubjectError) as error:
        load(name)
    assert str(error.value).startswith(message)


def test_a_file_with_one_declared_subject_uses_it(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import conformance\ndef conv2d(x, w): ...\nsubject = conformance.Subject({'conv2d': conv2d}, dtypes='float32')"
    )
    assert load(str(file)).dtypes == ("float32",)
    assert load(f"{file}:subject").name == f"{file}:subject"


@pytest.mark.parametrize("name", ["lazy.py", "lazy"])
def test_a_kernel_may_import_what_lies_beside_it_when_it_is_called(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside.py").write_text("def conv2d(x, w): return x")
    (tmp_path / "lazy.py").write_text("def conv2d(x, w):\n    import beside\n    return beside.conv2d(x, w)")
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    case = Case.parse("conv2d")
    assert isinstance(Caller(load(name)).answer(case, fill(case))["output"], np.ndarray)


def test_what_lies_beside_a_kernel_stands_for_no_module_that_is_imported_later(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "this.py").write_text("")
    (tmp_path / "plain.py").write_text("def conv2d(x, w): ...")
    load(str(tmp_path / "plain.py"))
    found = importlib.util.find_spec("this")
    assert found and found.origin != str(tmp_path / "this.py")


def test_what_a_file_makes_an_error_is_no_error_of_the_suite(tmp_path):
    file = tmp_path / "strict.py"
    file.write_text(
        "import warnings, numpy\nwarnings.simplefilter('error')\nnumpy.seterr(all='raise')\ndef conv2d(x, w): ..."
    )
    before = np.geterr(), list(warnings.filters)
    load(str(file))
    assert (np.geterr(), list(warnings.filters)) == before


@pytest.mark.parametrize("name", ["nosuch.py", "torch:strided", "not a name", "json:"])
def test_a_name_that_cannot_be_loaded_is_told_without_importing_a_framework(name):
    code = f"""
import sys
from conformance.kernels.load import SubjectError, load
try:
    load({name!r})
except SubjectError:
    print(*sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = told.stdout.split()
    assert "conformance.kernels.load" in loaded
    assert {"torch", "jax", "onnxruntime"}.isdisjoint(loaded)


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        ("", True),
        ("def conv2dx(x, w): ...", True),
        ("def conv2d(x, w): ...", False),
        ("from elsewhere import *", False),
        ("subject = conformance.Subject(kernels)", False),
        ("globals()['conv' + '2d'] = print", False),
    ],
)
def test_a_file_whose_text_names_no_function_seems_to_lack_it(tmp_path, words, lacks):
    file = tmp_path / "text.py"
    file.write_text(words)
    assert seems_to_lack(str(file), ["conv2d"]) == lacks
