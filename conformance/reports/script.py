"""A failure as a script of ten lines or so that needs only NumPy, PyTorch and the kernel: for a bug report."""

from __future__ import annotations

import base64
import re
import sys
import textwrap
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from conformance.cases import Case
from conformance.cases.arrays import Array, fill
from conformance.kernels.call import Caller
from conformance.kernels.framework import REFERENCE, framework, oracle
from conformance.kernels.layout import moves_of
from conformance.kernels.own import whole
from conformance.kernels.subject import Subject
from conformance.operations import DTYPES
from conformance.operations.dtypes import COMPLEX, REAL
from conformance.reports.findings import Finding
from conformance.reports.lines import Line
from conformance.requirements import REQUIREMENTS
from conformance.requirements.answers import expected_of

BEGINNING = "# conformance replay "  # of every script
LARGEST = 150  # elements that are written out
PACKED = 1 << 22  # that are packed, where a script goes to a file
COLUMNS = 100


def script_lines(text: str, why_not: str) -> Iterator[Line]:
    """The script as it stands in a file, nothing before its lines, or why there is none."""
    yield from ([(line, "")] for line in text.splitlines())
    yield from [[(f"no script: {why_not}", "dim")]] if why_not else []


def of_finding(subject: Subject, finding: Finding, to_file: bool = False) -> tuple[str, str]:
    """The script of a failure and "", or "" and why there is none."""
    names = [name for name, _ in finding.found_by]
    alone = finding.case.problem or any(REQUIREMENTS[name].plain for name in names)
    if finding.failure.shown_by or not alone:
        return "", f"one call does not show it: {finding.failure.shown_by or ', '.join(dict.fromkeys(names))}"
    if finding.case.hazard:
        return "", "PyTorch, which a script asks, does not survive it"
    return script_or_reason(subject, finding.case, finding.output, to_file)


def script_or_reason(subject: Subject, case: Case, output: str, to_file: bool = False) -> tuple[str, str]:
    """The script and "", or "" and why there is none."""
    reason = why_not(subject, case, output, to_file)
    return ("", reason) if reason else (script(subject, case, output), "")


def why_not(subject: Subject, case: Case, output: str, to_file: bool = False) -> str:
    """Why there is no script; "" where there is one."""
    if not output:
        return "nothing fails that a script can show"
    if not framework(subject.array_framework).script_array:
        return f"a script cannot make arrays of {subject.array_framework}"
    if subject.device is not None or case.views:
        return "its arrays are not plain: another layout or device"
    if _differentiated(subject, case, output) and not framework(subject.array_framework).script_gradient:
        return f"{output} comes from automatic differentiation, not from a {case.operation}_backward"
    size = sum(array.size for array in fill(case).values())
    if size > LARGEST and not to_file:
        return f"its arrays have {size:,} elements; --script FILE of conformance replay writes one"
    if size > PACKED:
        return f"its arrays are too large: {size:,} elements, more than {PACKED:,}"
    return "" if _import(subject) else "its kernels have no name to import them by"


def script(subject: Subject, case: Case, output: str) -> str:
    """The script; see why_not for where there is none."""
    arrays, kernels = fill(case), _import(subject) or []
    if output not in case.gradients:
        arrays.pop("grad_output", None)
    bound = {} if case.problem else _bound(subject, case, output)
    written = {**arrays, **bound}
    packed = sum(array.size for array in written.values()) > LARGEST or any(map(_unwritten, written.values()))
    imports = ["sys", *(["base64", "zlib"] if packed else [])]
    lines = [
        f'{BEGINNING}{subject.name} "{case}"',
        *[*(f"import {name}" for name in sorted(imports)), "import numpy as np", "import torch"],
        *[*kernels, ""],
        *(f"{name} = {_packed(array) if packed else _literal(array)}" for name, array in written.items()),
        *(_refused if case.problem else _compared)(subject, case, output, arrays, *bound),
    ]
    return "\n".join(lines) + "\n"


Arrays = Mapping[str, Array]


def _refused(subject: Subject, case: Case, output: str, arrays: Arrays) -> Iterator[str]:
    """The lines of a call that should be refused: the script ends with status 1 where it is answered."""
    yield "try:"
    yield from (f"    {line}" for line in _got(subject, case, output, arrays))
    yield "except Exception as error:"
    yield '    print("refused:", error)'
    yield "    sys.exit(0)"
    yield f'print("answered", got, {f"though {case.problem}"!r}, sep="\\n")'
    yield "sys.exit(1)"


def _compared(subject: Subject, case: Case, output: str, arrays: Arrays, bound: str = "0") -> Iterator[str]:
    """The lines of a call whose answer should be PyTorch's: the script ends with status 1 where it is not."""
    yield from _got(subject, case, output, arrays)
    yield from _expected(subject, case, output, list(arrays))
    yield 'print("got", got, "expected", expected, sep="\\n")'
    dtype = DTYPES["int64" if output == "indices" else case.dtype]
    wide = {COMPLEX: "complex128", REAL: "float64"}.get(dtype.kind, "int64")
    alike = f'got.shape == expected.shape and str(got.dtype).split(".")[-1] == "{dtype.name}"'
    answer = framework(subject.array_framework).script_answer.format(wide)
    yield f"alike = {alike}"
    yield f"got, expected = {answer}, expected.detach().numpy()"
    yield f"sys.exit(not (alike and np.allclose(got, expected, 0, {bound}, equal_nan=True)))"


def _bound(subject: Subject, case: Case, output: str) -> dict[str, Array]:
    """How far rounding alone may move each element of the answer, in the kernel's layout; {} where not at all."""
    expected, limits = expected_of(subject, oracle(REFERENCE), case, fill(case))
    if output not in limits:
        return {}
    limit = np.broadcast_to(limits[output], expected[output].shape)
    moves = moves_of(case, output, limit.ndim) if subject.layout == "NHWC" else None
    limit = np.moveaxis(limit, *moves) if moves else limit
    uniform = limit.size and bool((limit == limit.flat[0]).all())
    return {"bound": np.array(limit.flat[0] if uniform else limit)}


def _differentiated(subject: Subject, case: Case, output: str) -> bool:
    return output in case.gradients and not subject.function(f"{case.operation}_backward")


def _literal(array: Array) -> str:
    values = np.array2string(
        array, separator=", ", threshold=LARGEST + 1, floatmode="unique", max_line_width=COLUMNS
    )
    values = re.sub(r"\n+", "\n", values)  # NumPy puts blank lines between planes
    for word in ("nan", "inf"):
        values = values.replace(word, f"np.{word}")
    shape = f".reshape{array.shape}" if 0 in array.shape else ""
    return textwrap.indent(f"np.array({values}, np.{array.dtype.name}){shape}", " " * 4).lstrip()


def _unwritten(array: Array) -> bool:
    """Whether Python has no words for its numbers: an imaginary part that is NaN."""
    return array.dtype.kind == "c" and not bool(np.isfinite(array).all())


def _packed(array: Array) -> str:
    """Its bytes, which NaN and signed zeros survive."""
    text = base64.b85encode(zlib.compress(array.tobytes(), 9)).decode()
    rows = "".join(f'    "{text[at : at + COLUMNS]}"\n' for at in range(0, len(text), COLUMNS))
    unpacked = f"np.frombuffer(zlib.decompress(base64.b85decode(\n{rows})), np.{array.dtype.name})"
    return f"{unpacked}.reshape{array.shape}.copy()"


class _Name(str):
    """A name in the script, which prints as itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _got(subject: Subject, case: Case, output: str, arrays: Arrays) -> list[str]:
    """The lines that ask the kernel."""
    its = framework(subject.array_framework)
    given = {name: _moved(subject, case, name, array.ndim) for name, array in arrays.items()}
    if not _differentiated(subject, case, output):
        names = {name: its.script_array.format(text) for name, text in given.items()}
        return [f"got = {_answer(subject, case, output, names)}"]
    inputs = [name for name in given if name != "grad_output"]
    own = {name: f"own[{number}]" for number, name in enumerate(inputs)}
    written = {n: its.script_array if n in case.family.indexing else its.script_leaf for n in inputs}
    answer = _answer(subject, case, "output", own)
    grad_output = its.script_array.format(given["grad_output"])
    parts = {"answer": answer, "grad_output": grad_output, "leaf": own[output.removeprefix("grad_")]}
    leaves = (written[name].format(given[name]) for name in inputs)
    return [f"own = [{', '.join(leaves)}]", *(line.format(**parts) for line in its.script_gradient)]


def _moved(subject: Subject, case: Case, name: str, axes: int) -> str:
    moves = moves_of(case, name, axes) if subject.layout == "NHWC" else None
    return f"np.moveaxis({name}, {moves[0]}, {moves[1]})" if moves else name


def _answer(subject: Subject, case: Case, output: str, names: Mapping[str, str]) -> str:
    function = f"{case.operation}_backward" if output in case.gradients else case.operation
    arrays = {name: _Name(text) for name, text in names.items()}
    positional, options = Caller(subject).arguments(function, case, arrays)
    written = [*map(_written, positional), *(f"{name}={_written(value)}" for name, value in options.items())]
    call = f"kernels.{function}({', '.join(written)})"
    if output in case.gradients and len(case.gradients) > 1:
        return f"{call}[{case.gradients.index(output)}]"
    paired = getattr(case, "return_indices", False) and output in ("output", "indices")
    return f"{call}[{int(output == 'indices')}]" if paired else call


def _written(value: Any) -> str:
    """As Python reads it: no name stands for an infinite number."""
    return f"float('{value}')" if isinstance(value, float) else repr(value)


_EXACT = {  # how a tensor is made one of trusted answers, where it is not real
    "int64": ".long()", "complex64": ".to(torch.complex128)", "complex128": ".to(torch.complex128)"
}  # fmt: skip


def _expected(subject: Subject, case: Case, output: str, names: list[str]) -> list[str]:
    """PyTorch's answer in float64, in the kernel's layout."""
    options = ", ".join(f"{name}={_written(value)}" for name, value in case.options.items())
    inputs = [name for name in names if name != "grad_output"]
    gradient = output in case.gradients
    leaf = ".requires_grad_()" if gradient else ""
    exact = _EXACT.get(case.dtype, ".double()")
    numbers = [name for name in inputs if name not in case.family.indexing]
    lines = [f"leaves = [torch.tensor(a){exact}{leaf} for a in ({', '.join(numbers)},)]"]
    lines += [f"leaves.append(torch.tensor({name}))" for name in case.family.indexing if name in inputs]
    answer = f"torch.nn.functional.{case.operation}(*leaves, {options})"
    if getattr(case, "return_indices", False):
        answer += f"[{int(output == 'indices')}]"
    moves = moves_of(case, output, len(case.output_shape)) if subject.layout == "NHWC" else None
    moved = f".movedim({moves[0]}, {moves[1]})" if moves else ""
    if not gradient:
        return [*lines, f"expected = {answer}{moved}"]
    lines.append(f"{answer}.backward(torch.tensor(grad_output){exact})")
    return [*lines, f"expected = leaves[{inputs.index(output.removeprefix('grad_'))}].grad{moved}"]


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
    return (f"sys.path.insert(0, {str(whole(where).parent)!r})",)


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
