"""What is told where a file has none of the functions: lines that are pasted, and then judged."""

import re

import pytest

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.kernels import reference
from conformance.kernels.answer import Refused
from conformance.kernels.call import Caller
from conformance.kernels.load import load
from conformance.kernels.subject import SubjectError


@pytest.fixture
def advice(tmp_path):
    """The file of a source, of a name that no other test has, and what is told of it."""

    def of(source):
        file = tmp_path / f"{tmp_path.name}.py"
        file.write_text(source)
        with pytest.raises(SubjectError) as error:
            load(str(file))
        return file, str(error.value)

    return of


def pasted(file, text):
    """The subject once the lines are added."""
    lines = re.findall(r"^    (.*)\n?|^$", text.partition(f"add to {file}:\n")[2], re.MULTILINE)
    file.write_text("\n".join([file.read_text(), "", *lines, ""]))
    return load(str(file))


TORCH = {
    "a module": (
        "import torch\nclass MyConv2d(torch.nn.Conv2d): pass",
        "conv2d channels=4 filters=6 groups=2 image=5,6 kernel=2,3 stride=2,1 bias=true",
    ),
    "a module behind one that nobody can make": (
        """
import torch
class Block(torch.nn.Module):
    def __init__(self, width, scale):
        super().__init__()
class MyConv2d(torch.nn.Conv2d): pass
""",
        "conv2d channels=4 filters=6 groups=2 image=5,6 kernel=2,3 stride=2,1 bias=true",
    ),
    "a module without options": (
        """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.conv = torch.nn.Conv2d(in_channels, out_channels, kernel_size, bias=False)
    def forward(self, x):
        return self.conv(x)
""",
        "conv2d channels=2 filters=3 image=5,6 kernel=2,3",
    ),
    "a module of a transposed convolution": (
        """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.up = torch.nn.ConvTranspose2d(in_channels, out_channels, kernel_size, bias=False)
    def forward(self, x):
        return self.up(x)
""",
        "conv_transpose2d channels=2 filters=3 image=5,6 kernel=2,3",
    ),
    "a module of a pooling": (
        """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self, kernel_size, stride):
        super().__init__()
        self.pool = torch.nn.MaxPool2d(kernel_size, stride)
    def forward(self, x):
        return self.pool(x)
""",
        "max_pool2d image=5,6 kernel=2,3 stride=2,1",
    ),
    "a function with a gradient": (
        """
import torch
class Conv(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b, stride):
        ctx.save_for_backward(x, w)
        ctx.stride = stride
        return torch.conv2d(x, w, b, stride)
    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return (torch.nn.grad.conv2d_input(x.shape, w, g, ctx.stride),
                torch.nn.grad.conv2d_weight(x, w.shape, g, ctx.stride), g.sum((0, 2, 3)), None)
""",
        "conv2d channels=2 filters=3 image=5,6 kernel=2,3 stride=2,1 bias=true",
    ),
}
PLAIN = {
    "another name": (
        "import npcnn\ndef conv_forward(x, w, b, stride=1): return npcnn.conv2d(x, w, b, stride=stride)",
        "conv2d channels=2 filters=3 image=5,6 kernel=2,3 stride=2,1 bias=true",
    ),
    "a pooling of another name": (
        "import npcnn\ndef maxpool(x, kernel_size, stride): return npcnn.max_pool2d(x, kernel_size, stride=stride)",
        "max_pool2d image=5,6 kernel=2,3 stride=2,1",
    ),
    "one axis": (
        "import torch\ndef my_conv1d_kernel(x, w): return torch.conv1d(x, w)",
        "conv1d channels=2 filters=3 image=5 kernel=2",
    ),
    "a group for each channel": (
        "import npcnn\ndef depthwise_conv2d(x, w): return npcnn.conv2d(x, w, groups=x.shape[-3])",
        "conv2d channels=3 filters=3 groups=3 image=5,6 kernel=2,3",
    ),
}


@pytest.mark.parametrize("what", [*TORCH, *PLAIN])
def test_what_is_told_to_be_added_makes_a_subject_that_is_right(what, advice):
    pytest.importorskip("torch")
    source, text = (TORCH | PLAIN)[what]
    subject = pasted(*advice(source))
    case = Case.parse(f"{text} dtype=float32")
    arrays, answers = fill(case), Caller(subject).answer(case, fill(case))
    expected = reference.answer(case, arrays)
    given = {name: answer for name, answer in answers.items() if answer is not None}
    assert {n for n, a in given.items() if isinstance(a, Refused) or not (a == expected[n]).all()} == set()
    assert "output" in given


def test_a_kernel_with_a_group_for_each_channel_claims_no_other(advice):
    source, _ = PLAIN["a group for each channel"]
    subject = pasted(*advice(source))
    assert not subject.claims(Case.parse("conv2d channels=4 filters=4 groups=2"))


def test_a_layer_that_is_named_is_the_one_that_is_told_of(tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "two_layers.py"
    file.write_text("import torch\nclass A(torch.nn.Conv2d): pass\nclass B(torch.nn.Conv2d): pass\n")
    with pytest.raises(SubjectError, match=f"To have B judged, add to {file}:"):
        load(f"{file}:B")


def test_what_nobody_can_tell_is_left_to_be_filled_in(advice):
    _, told = advice("def conv_forward(x, w, b, parameters): ...")
    assert told.endswith(
        "\n    def conv2d(input, weight, bias=None):\n        return conv_forward(input, weight, bias, ...)"
    )


@pytest.mark.parametrize(
    "name", ["fractional_max_pool2d", "FractionalMaxPool2d_forward", "fractional_max_pool3d"]
)
def test_an_operation_that_is_not_judged_yet_is_said_to_be(name, advice):
    _, told = advice(f"def {name}(x, w): ...")
    assert told.endswith(f"; not judged yet: {name}")


def test_an_operation_that_is_not_judged_yet_is_no_slip_of_another(tmp_path):
    file = tmp_path / "unpools.py"
    file.write_text("def conv2d(x, w): ...\ndef fractional_max_pool2d(x, kernel_size): ...")
    subject = load(str(file))
    assert (subject.misnamed, subject.unjudged) == ({}, ["fractional_max_pool2d"])


def test_nothing_is_told_of_what_is_no_kernel(advice):
    assert advice("class Model: ...\ndef helper(x): ...")[1].endswith("max_unpool3d")
