"""conformance init: a file that says of a kernel what conformance has to know, made from the functions it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conformance.cli.shared import write, wrong_usage

if TYPE_CHECKING:
    from types import ModuleType

PREFIX = "conformance_"  # of the file that is written, beside the kernel's
TEMPLATE = '''"""{file} as conformance judges it: conformance run {target}"""

{imports}

{functions}subject = conformance.Subject(
    {kernels},
    framework="{framework}",  # whose arrays its functions take
    # A signature does not say the rest. Each line has what holds without it; write what does not, and drop the others.
    # dtypes=("float32", "float64"),  # those that it takes; "float16" and "bfloat16", too
    # layout="NCHW",  # or "NHWC", with weights (R, S, C/G, K)
    # without=(),  # what it does not claim, in the words of a report: ("unbatched", "dilation", "grad_weight")
    # only=lambda case: True,  # or, by case, what no word says: lambda case: case.kernel == (3, 3)
    # accuracy="direct",  # or "winograd", "fft", "tf32": its bound follows
    # sums="wide",  # half precision: summed in float32; or "narrow", in its own format
    # ties="first",  # which of equal maxima a max pooling takes; or "any"
    # blocks=(),  # extents that compiled code blocks over, where its source cannot be read
    # known_failures={{}},  # {{"conv2d stride=1,2": "why"}}: expected to fail, and must
)
'''


@click.command("init")
@click.argument("file", metavar="FILE")
def command(file: str) -> None:
    """Write a Subject for the kernels of FILE.

    It is written beside FILE, as conformance_FILE, with a line for all that may be declared. Functions under other
    names, layers and classes get lines around them that make them functions as in torch.nn.functional: read those
    before you trust them.
    """
    from conformance.kernels.guess import framework_of
    from conformance.kernels.hints import adapters, classes, needs_arguments, of_class, of_objects
    from conformance.kernels.load import check_name, imported
    from conformance.usage import WrongUsage

    with wrong_usage():
        if not file.endswith(".py"):
            raise WrongUsage(f"{file}: init takes a Python file")
        check_name(file)
        source = Path(file)
        target = source.with_name(f"{PREFIX}{_word(source.stem)}.py")
        if target.exists():
            raise WrongUsage(f"{target}: is there already, and is not written over")
        module = imported(file)
        made = adapters(module)
        names = _functions(module)
        there = classes(module)
        if not names and not made and len(there) > 1:
            how = of_class(there[0], getattr(module, there[0]), file)
            raise WrongUsage(f"{file}: its functions are methods of {' and of '.join(there)}; of one: {how}")
        if not names and not made and not there:
            raise WrongUsage(f"{file}: nothing in it looks like a kernel by its name or class")
        alone = there[0] if not names and not made else ""
        if alone and needs_arguments(getattr(module, alone)):
            raise WrongUsage(f"{file}: {of_class(alone, getattr(module, alone), file)}")
        called = getattr(module, alone) if alone else _called(module, names, made)
        object_of = f"{alone}()" if alone and of_objects(called) else alone
        text = _text(source, target, names, made, framework_of(called), object_of)
    write("init", str(target), text)
    click.echo(f"{target}: {alone or ', '.join([*names, *made])}\n\n    conformance run {target}")
    for other in there if not alone else ():
        click.echo(f"\nnot in it are the methods of {other}: {of_class(other, getattr(module, other), file)}")
    click.echo("\nor, in a test file,\n")
    test = f"def test_{target.stem.removeprefix(PREFIX)}(verdict):"
    click.echo(f'    @conformance.matrix("{target}", profile="quick")\n    {test}\n        verdict.check()')


def _functions(module: ModuleType) -> list[str]:
    from conformance.kernels.guess import FUNCTIONS, function_of

    return [name for name in FUNCTIONS if function_of(module, name)]


def _called(
    module: ModuleType, names: Sequence[str], made: Mapping[str, Sequence[str]]
) -> dict[str, Callable[..., Any]]:
    """The functions as they will be called, by name."""
    there = {name: getattr(module, name) for name in [*names, *made]}
    for lines in made.values():
        exec("\n".join(_definition(lines)), there)
    return {name: value for name, value in there.items() if callable(value)}


def _text(
    source: Path,
    target: Path,
    names: Sequence[str],
    made: Mapping[str, Sequence[str]],
    framework: str,
    alone: str = "",
) -> str:
    """What is written: the functions as they are, or those around them beside the others; alone, a class."""
    module, is_name = source.stem, source.stem.isidentifier() and not iskeyword(source.stem)
    imports = ["import conformance", f"import {module}"]
    if not is_name:
        module = f"kernels_of_{_word(source.stem)}"
        imports = [
            "import importlib",
            "",
            "import conformance",
            f'{module} = importlib.import_module("{source.stem}")',
        ]
    kernels = f"{module}.{alone}" if alone else module
    if made:
        imports += [f"{name} = {module}.{name}" for name in made]
        around = [lines[0].removeprefix("def ").partition("(")[0] for lines in made.values()]
        entries = [f'"{name}": {module}.{name}' for name in names] + [f'"{name}": {name}' for name in around]
        kernels = "{" + ", ".join(entries) + "}"
    functions = "".join("\n".join(_definition(lines)) + "\n\n\n" for lines in made.values())
    return TEMPLATE.format(
        file=source.name,
        target=target,
        imports="\n".join(imports),
        functions="\n" * bool(made) + functions,
        kernels=kernels,
        framework=framework,
    )


def _word(stem: str) -> str:
    """The name of a file as a part of names in Python."""
    return re.sub(r"\W", "_", stem)


def _definition(lines: Sequence[str]) -> Sequence[str]:
    """A function alone, without the Subject that a hint may have behind it."""
    return lines[: lines.index("")] if "" in lines else lines
