"""A file that declares a kernel, made from what it has; and what a shell completes."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.kernels.load import load

OTHER_NAMES = """
def conv_forward(x, w, b=None, stride=1, padding=0):
    return npcnn.conv2d(x, w, b, stride=stride, padding=padding)

def maxpool1d(x, kernel_size, stride=None):
    return npcnn.max_pool1d(x, kernel_size, stride=stride)
"""
LAYER = """
import torch

class ModelNew(torch.nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1):
        super().__init__()
        self.conv = torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride)

    def forward(self, x):
        return self.conv(x)
"""
QUICK = ("--profile", "quick", "--requirement", "empty", "--oracle", "reference", "--in-process")


def command(*arguments):
    return CliRunner().invoke(main, list(arguments))


def without_conv2d(source, write_kernel, name):
    """A file without the conv2d that the head of every written kernel has."""
    file = Path(write_kernel(name, ""))
    file.write_text("import npcnn\n" + source)
    return str(file)


def test_a_kernel_that_has_the_functions_is_declared_as_it_is(write_kernel):
    ran = command("init", write_kernel("declared", ""))
    assert (ran.exit_code, "conformance run conformance_declared.py" in ran.output) == (0, True)
    subject = load("conformance_declared.py")
    assert (subject.operations, subject.framework) == (("conv2d",), "numpy")


def test_functions_of_other_names_get_lines_around_them(write_kernel):
    command("init", without_conv2d(OTHER_NAMES, write_kernel, "renamed"))
    assert load("conformance_renamed.py").operations == ("conv2d", "max_pool1d")
    assert command("run", "conformance_renamed.py", *QUICK).exit_code == 0


def test_functions_of_other_names_stand_beside_those_that_are_there(write_kernel):
    command("init", write_kernel("beside", OTHER_NAMES))
    assert '{"conv2d": beside.conv2d, "max_pool1d": max_pool1d}' in Path("conformance_beside.py").read_text()


CLASS = """
class Kernels:
    def conv2d(self, input, weight, bias=None, stride=1, padding=0):
        return npcnn.conv2d(input, weight, bias, stride=stride, padding=padding)
"""


def test_a_plain_class_is_declared_by_its_methods(write_kernel):
    made = command("init", without_conv2d(CLASS, write_kernel, "one_class"))
    assert (made.exit_code, "conformance_one_class.py: Kernels\n" in made.output) == (0, True)
    assert load("conformance_one_class.py").operations == ("conv2d",)
    assert command("run", "conformance_one_class.py", *QUICK).exit_code == 0


def test_of_several_plain_classes_one_is_to_be_named(write_kernel):
    file = without_conv2d(CLASS + CLASS.replace("Kernels", "Others"), write_kernel, "several")
    made = command("init", file)
    how = "of one: add kernels = Kernels() to several.py, and judge several.py:kernels"
    assert f"its functions are methods of Kernels and of Others; {how}" in made.output
    assert made.exit_code == 2


def test_a_plain_class_beside_functions_is_told(write_kernel):
    made = command("init", write_kernel("both", CLASS))
    assert (made.exit_code, "methods of Kernels: add kernels = Kernels() to both.py" in made.output) == (
        0,
        True,
    )


NO_ARRAY = "conv2d takes self, so it needs an object; "
OBJECT = "add kernels = Kernels() to meant.py, and judge meant.py:kernels"
STATIC = CLASS.replace("    def", "    @staticmethod\n    def").replace("self, ", "")
MADE_OF = CLASS.replace("class Kernels:", "class Kernels:\n    def __init__(self, device): ...\n")


@pytest.mark.parametrize(
    ("source", "named", "says"),
    [
        (CLASS, "", f"its Kernels has such methods: {OBJECT}"),
        (CLASS, ":Kernels", f"{NO_ARRAY}{OBJECT}"),
        (MADE_OF, ":Kernels", f"{NO_ARRAY}add kernels = Kernels(...) to meant.py"),
        (STATIC, "", "its Kernels has such methods: judge meant.py:Kernels"),
    ],
)
def test_run_says_how_a_plain_class_is_judged(write_kernel, source, named, says):
    ran = command("run", without_conv2d(source, write_kernel, "meant") + named, *QUICK)
    assert (ran.exit_code, says in ran.output) == (2, True)


def test_static_methods_are_judged_as_they_are(write_kernel):
    file = without_conv2d(STATIC, write_kernel, "static")
    assert command("run", f"{file}:Kernels", *QUICK).exit_code == 0
    assert command("init", file).exit_code == 0
    assert load("conformance_static.py").operations == ("conv2d",)
    assert "static.Kernels," in Path("conformance_static.py").read_text()


def test_a_class_that_needs_arguments_is_not_guessed_at(write_kernel):
    made = command("init", without_conv2d(MADE_OF, write_kernel, "needing"))
    assert (made.exit_code, "add kernels = Kernels(...) to needing.py" in made.output) == (2, True)


@pytest.mark.parametrize("asked", [("init",), ("run",), ("replay", "conv2d")], ids=lambda words: words[0])
def test_a_file_that_ends_the_process_is_told(write_kernel, asked):
    name, *rest = asked
    file = write_kernel("ending", "import os\nos._exit(3)\n")
    words = [sys.executable, "-m", "conformance", name, file, *rest]
    ran = subprocess.run(words, capture_output=True, text=True)
    assert (ran.returncode, "ending.py: importing it raises SystemExit: os._exit(3)" in ran.stderr) == (
        2,
        True,
    )


def test_a_child_of_a_file_ends_as_it_likes(write_kernel):
    source = (
        "import os\nchild = os.fork()\nif not child:\n    os._exit(7)\n_, status = os.waitpid(child, 0)\n"
    )
    write_kernel("forking", f"{source}assert os.waitstatus_to_exitcode(status) == 7\n")
    assert load("forking.py").operations == ("conv2d",)


def test_a_layer_is_declared_with_the_framework_of_its_arrays(write_kernel):
    pytest.importorskip("torch")
    command("init", without_conv2d(LAYER, write_kernel, "layer"))
    subject = load("conformance_layer.py")
    assert (subject.operations, subject.framework) == (("conv2d",), "torch")


def test_every_line_that_is_offered_is_one_that_a_subject_takes(write_kernel):
    command("init", write_kernel("declared", ""))
    written = Path("conformance_declared.py").read_text()
    Path("all.py").write_text(
        written.replace("    # A signature", "    ## A").replace("    # ", "    ").replace("## A", "# A")
    )
    assert load("all.py").layout == "NCHW"


def test_a_file_whose_name_is_no_word_is_imported_all_the_same(write_kernel):
    ran = command("init", write_kernel("my-kernel", ""))
    assert "def test_my_kernel(verdict):" in ran.output
    assert load("conformance_my_kernel.py").operations == ("conv2d",)


@pytest.mark.parametrize("name", ["class", "1", "my kern-\u00e9"])
def test_a_file_of_any_name_gets_one_that_can_be_imported(name, write_kernel):
    ran = command("init", write_kernel(name, ""))
    (written,) = Path().glob("conformance_*.py")
    assert load(str(written)).operations == ("conv2d",)
    compile(ran.output.partition("in a test file,")[2].replace("\n    ", "\n"), "test", "exec")


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("none.py", "def foo(): pass", "none.py: nothing in it looks like a kernel by its name or class"),
        ("text.txt", "", "text.txt: init takes a Python file"),
        ("lost.py", None, "lost.py: no such file"),
        ("broken.py", "def conv2d(:", "broken.py: importing it raises SyntaxError"),
    ],
)
def test_what_cannot_be_declared_is_told(file, source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if source is not None:
        Path(file).write_text(source)
    ran = command("init", file)
    assert (ran.exit_code, message in ran.output) == (2, True)


def test_a_file_that_is_there_is_not_written_over(write_kernel):
    file = write_kernel("declared", "")
    Path("conformance_declared.py").write_text("mine")
    ran = command("init", file)
    assert (ran.exit_code, Path("conformance_declared.py").read_text()) == (2, "mine")
    assert "conformance_declared.py: is there already, and is not written over" in ran.output


# What a shell completes.


def completed(*words):
    environment = {
        "_CONFORMANCE_COMPLETE": "bash_complete",
        "COMP_CWORD": str(len(words)),
        "PYTHONPATH": ":".join(sys.path),
    }
    environment |= {"COMP_WORDS": " ".join(("conformance", *words))}
    code = "import sys; sys.argv[0] = 'conformance'; from conformance.__main__ import start; start()"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    return [line.partition(",")[2] for line in ran.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mu"], ["mutants"]),
        (["run", "npcnn", "--first"], ["--first-failure"]),
        (["run", "npcnn", "--op", "lp_"], ["lp_pool1d", "lp_pool2d", "lp_pool3d"]),
        (["run", "npcnn", "--op", "conv2d,lp_pool1"], ["conv2d,lp_pool1d"]),
        (["run", "npcnn", "--requirement", "ex"], ["exact"]),
        (["run", "npcnn", "--skip", "th"], ["threads"]),
        (["run", "npcnn", "--dtype", "float3"], ["float32"]),
        (["run", "npcnn", "--profile", "q"], ["quick"]),
        (["run", "npcnn", "--oracle", "ref"], ["reference"]),
        (["run", "npcnn", "--framework", "nu"], ["numpy"]),
        (["search", "npcnn", "--op", "conv1"], ["conv1d"]),
    ],
)  # fmt: skip
def test_a_shell_completes_words(words, expected):
    assert completed(*words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_completes_its_words(shell):
    ran = command("completion", shell)
    assert (ran.exit_code, "_CONFORMANCE_COMPLETE" in ran.output) == (0, True)
