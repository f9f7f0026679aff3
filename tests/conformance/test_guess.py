"""What a namespace of functions leaves unsaid: whose arrays it takes, which name is a slip of another."""

import sys

import pytest

from conformance.kernels.guess import FUNCTIONS
from conformance.kernels.load import load
from conformance.kernels.subject import SubjectError


@pytest.mark.parametrize(
    ("source", "misnamed"),
    [
        ("def conv2d_backwards(g, x, w): ...", {"conv2d_backwards": "conv2d_backward"}),
        ("def maxpool2d(x, kernel_size): ...", {"maxpool2d": "max_pool2d"}),
        ("def AvgPool2d(x, kernel_size): ...", {"AvgPool2d": "avg_pool2d"}),
        ("class MaxPool2d: ...", {}),
        ("def conv_2d(x, w): ...", {}),  # conv2d is there
        ("def max_pool3d(x, kernel_size): ...\ndef conv3d_backward(g, x, w): ...", {}),
        ("def _maxpool2d(x, kernel_size): ...\nmax_pool = 3", {}),
        ("from math import sqrt as maxpool2d", {}),
    ],
)
def test_a_function_whose_name_nearly_is_one_that_is_asked_is_found(tmp_path, source, misnamed):
    file = tmp_path / "slips.py"
    file.write_text(f"def conv2d(x, w): ...\n{source}")
    assert load(str(file)).misnamed == misnamed


def test_a_file_whose_functions_are_in_an_object_is_told_which(tmp_path):
    file = tmp_path / "methods.py"
    file.write_text("import npcnn\nclass C:\n    def conv2d(self, x, w): ...\nkernels = C()\n")
    with pytest.raises(SubjectError) as error:
        load(str(file))
    assert str(error.value).endswith(f"{FUNCTIONS[-2]} (did you mean {file}:kernels?)")


def test_a_file_whose_only_function_is_misspelled_is_told_what_may_be_meant(tmp_path):
    file = tmp_path / "slip.py"
    file.write_text("def maxpool2d(x, kernel_size): ...")
    with pytest.raises(SubjectError, match=rf"{FUNCTIONS[-2]}; maxpool2d: did you mean max_pool2d\?$"):
        load(str(file))


def test_objects_beside_the_functions_may_be_of_any_kind(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text("class Odd:\n    def __getattr__(self, name): raise OSError(name)\nodd = Odd()\n")
    with pytest.raises(SubjectError, match=rf"has none of the functions .*, {FUNCTIONS[-2]}$"):
        load(str(file))


def test_arrays_are_those_of_the_framework_that_the_file_imports(tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "torch_only.py"
    file.write_text("import torch\ndef conv2d(x, w): return torch.nn.functional.conv2d(x, w)")
    assert load(str(file)).array_framework == "torch"


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nimport torch.nn.functional as F\ndef conv2d(x, w): return F.conv2d(x, w)",
        "from torch import conv2d as c\ndef conv2d(x, w): return c(x, w)",
        "from torch import nn\nclass C(nn.Module): pass\nconv2d = C()",
        "import functools, torch\nconv2d = functools.partial(torch.nn.functional.max_pool2d, stride=1)",
        "import numpy, torch\nclass A(torch.autograd.Function): pass\ndef conv2d(x, w): return A.apply(x, w)",
        "import numpy, torch\ndef conv2d(x, w): return helper(x, w)\ndef helper(x, w): return torch.conv2d(x, w)",
    ],
)
def test_arrays_are_those_of_the_framework_that_the_functions_use(tmp_path, text):
    pytest.importorskip("torch")
    file = tmp_path / "of_torch.py"
    file.write_text(text)
    assert load(str(file)).array_framework == "torch"


@pytest.mark.parametrize(
    ("beside", "text"),
    [
        ("import torch\nrun = torch.conv2d", "from beside_{n} import run\ndef conv2d(x, w): return run(x, w)"),
        (
            "import torch\ndef run(x, w): return torch.conv2d(x, w)",
            "import beside_{n}\ndef conv2d(x, w): return beside_{n}.run(x, w)",
        ),
        (
            "import torch\nclass F(torch.autograd.Function): pass",
            "from beside_{n} import F\ndef conv2d(x, w): return F.apply(x, w)",
        ),
        ("", "def conv2d(x, w):\n    import torch\n    return torch.conv2d(x, w)"),
    ],
    ids=["function", "module", "class", "imported late"],
)  # fmt: skip
def test_a_framework_is_found_in_the_kernels_own_other_modules(tmp_path, monkeypatch, request, beside, text):
    pytest.importorskip("torch")
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = request.node.callspec.id.replace(" ", "_")
    (tmp_path / f"beside_{name}.py").write_text(beside)
    (tmp_path / f"main_{name}.py").write_text(text.format(n=name))
    assert load(str(tmp_path / f"main_{name}.py")).array_framework == "torch"


def test_what_helpers_of_other_modules_use_does_not_outweigh_the_functions(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "pairs_of_numpy.py").write_text("import numpy as np\ndef pair(n): return np.array([n, n])")
    file = tmp_path / "uses_pairs.py"
    file.write_text(
        "import torch\nfrom pairs_of_numpy import pair\ndef conv2d(x, w): return torch.conv2d(x, w, pair(1))"
    )
    assert load(str(file)).array_framework == "torch"
