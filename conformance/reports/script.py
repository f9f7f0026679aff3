"""A failure as a script of ten lines or so that needs only NumPy, PyTorch and the kernel: for a bug report."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, fill
from conformance.kernels.call import Caller
from conformance.kernels.framework import framework
from conformance.kernels.subject import Subject

LARGEST = 150  # elements that are written out


def script_or_reason(subject: Subject, case: Case, output: str) -> tuple[str, str]:
    """The script, or why there is none, with the style that it is shown in."""
    if why := why_not(subject, case, output):
        return f"no script: {why}", "dim"
    return script(subject, case, output), ""


def why_not(subject: Subject, case: Case, output: str) -> str | None:
    """Why there is no script, or None."""
    if not framework(subject.array_framework).script_array:
        return f"a script cannot make arrays of {subject.array_framework}"
    if subject.layout != "NCHW" or subject.device is not None or case.views:
        return "its arrays are not plain: another layout or device"
    if output in case.gradients and not subject.function(f"{case.operation}_backward"):
        return f"{output} comes from automatic differentiation, not from a {case.operation}_backward"
    size = sum(array.size for array in fill(case).values())
    if size > LARGEST:
        return f"its arrays are too large: {size:,} elements, more than {LARGEST}"
    return None if _import(subject) else "its kernels have no name to import them by"


def script(subject: Subject, case: Case, output: str) -> str:
    """The script; see why_not for where there is none."""
    arrays, kernels = fill(case), _import(subject) or []
    if output not in case.gradients:
        arrays.pop("grad_output")
    lines = [
        *["import numpy as np", "import torch", *kernels, ""],
        *(f"{name} = {_literal(array)}" for name, array in arrays.items()),
        f"got = {_got(subject, case, output)}",
        *([] if case.problem else _expected(case, output, list(arrays))),
        "print(got)" if case.problem else 'print("got", got, "expected", expected, sep="\\n")',
    ]
    return "\n".join(lines) + "\n"


def _literal(array: Array) -> str:
    values = np.array2string(
        array, separator=", ", threshold=LARGEST + 1, floatmode="unique", max_line_width=100
    )
    values = re.sub(r"\n+", "\n", values)  # NumPy puts blank lines between planes
    for word in ("nan", "inf"):
        values = values.replace(word, f"np.{word}")
    shape = f".reshape{array.shape}" if 0 in array.shape else ""
    return textwrap.indent(f"np.array({values}, np.{array.dtype.name}){shape}", " " * 4).lstrip()


class _Name(str):
    """A name in the script, which prints as itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _got(subject: Subject, case: Case, output: str) -> str:
    function = f"{case.operation}_backward" if output in case.gradients else case.operation
    caller = Caller(subject)
    names = {name: _Name(caller.framework.script_array.format(name)) for name in case.array_names}
    positional, options = caller.arguments(function, case, names)
    written = [*map(repr, positional), *(f"{name}={value!r}" for name, value in options.items())]
    call = f"kernels.{function}({', '.join(written)})"
    arguments = [name for name in case.array_names if name != "grad_output"]
    if output in case.gradients and len(arguments) > 1:
        return f"{call}[{arguments.index(output.removeprefix('grad_'))}]"
    paired = getattr(case, "return_indices", False) and output in ("output", "indices")
    return f"{call}[{int(output == 'indices')}]" if paired else call


def _expected(case: Case, output: str, names: list[str]) -> list[str]:
    """PyTorch's answer in float64."""
    options = ", ".join(f"{name}={value!r}" for name, value in case.options.items())
    inputs = [name for name in names if name != "grad_output"]
    gradient = output in case.gradients
    leaf = ".requires_grad_()" if gradient else ""
    lines = [f"leaves = [torch.tensor(a).double(){leaf} for a in ({', '.join(inputs)},)]"]
    answer = f"torch.nn.functional.{case.operation}(*leaves, {options})"
    if getattr(case, "return_indices", False):
        answer += f"[{int(output == 'indices')}]"
    if not gradient:
        return [*lines, f"expected = {answer}"]
    lines.append(f"{answer}.backward(torch.tensor(grad_output).double())")
    return [*lines, f"expected = leaves[{inputs.index(output.removeprefix('grad_'))}].grad"]


def _import(subject: Subject) -> list[str] | None:
    """The lines that make `kernels` the namespace of the subject's functions; None where nothing names them."""
    where, _, attribute = subject.name.partition(":")
    if where == subject.array_framework:  # its own kernels
        line = framework(where).script_import.get(attribute)
        return [line] if line else None
    module = Path(where).stem if where.endswith(".py") else where
    if isinstance(subject.kernels, ModuleType) and not attribute:
        return [*_path(where), *_named(module, "")]
    loaded = sys.modules.get(module)
    name = attribute or _declared(loaded)
    if loaded is None or name is None:
        return None
    inside = f"{name}.kernels" if isinstance(getattr(loaded, name, None), Subject) else name
    return [*_path(where), *_named(module, inside), *_as_namespace(subject)]


def _path(where: str) -> Sequence[str]:
    """The lines that let the folder of a file be imported from."""
    if not where.endswith(".py"):
        return ()
    return "import sys", f"sys.path.insert(0, {str(Path(where).resolve().parent)!r})"


def _named(module: str, inside: str) -> Sequence[str]:
    """The lines that make `kernels` a module, or what it has inside."""
    attribute = f".{inside}" if inside else ""
    if not all(part.isidentifier() for part in module.split(".")):  # my-kernel.py
        return "import importlib", f"kernels = importlib.import_module({module!r}){attribute}"
    return (
        (f"import {module}", f"kernels = {module}{attribute}") if inside else (f"import {module} as kernels",)
    )


def _as_namespace(subject: Subject) -> Sequence[str]:
    """The line that makes attributes of what is a dict."""
    if not isinstance(subject.kernels, dict):
        return ()
    return ("kernels = type('kernels', (), {n: staticmethod(f) for n, f in kernels.items()})",)


def _declared(module: ModuleType | None) -> str | None:
    """The name of the Subject that a module declares."""
    attributes = vars(module).items() if module else ()
    return next((name for name, value in attributes if isinstance(value, Subject)), None)
