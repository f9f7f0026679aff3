"""What several files of formats/ say alike of a report's data: each failure, the worst of rows, what limits it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from conformance.kernels.own import from_here
from conformance.reports.findings import requirements
from conformance.reports.lines import plural
from conformance.reports.tables import severity

Data = Mapping[str, Any]


def every_failure(failures: Iterable[Data]) -> Iterator[Data]:
    """Each failure, then those as which the same mistake was seen."""
    for failure in failures:
        yield failure
        yield from every_failure(failure["also"])


def decides(failure: Data) -> bool:
    """Whether the subject does not conform because of it."""
    return not (failure["known"] or failure["fault"] or failure["baseline"])


def excuse(failure: Data) -> str:
    """Why it decides nothing; "" where it does."""
    if failure["fault"]:
        return f"{failure['fault']} does, too"
    return failure["known"] or (f"it is in {failure['baseline']}" if failure["baseline"] else "")


def fingerprint(failure: Data) -> str:
    """A mark that stays the same from run to run, as long as the mistake does."""
    words = [failure[name] for name in ("operation", "output", "status")]
    words.append(failure["diagnosis"] or failure["case"])
    return hashlib.sha256("\n".join(words).encode(errors="backslashreplace")).hexdigest()[:16]


def worst(rows: Sequence[Data]) -> tuple[str, list[str]]:
    """The worst verdict of an output's rows in several dtypes, and the dtypes that it is about if not all."""
    verdict = max((row["verdict"] for row in rows), key=severity)
    dtypes = [row["dtype"] for row in rows if row["verdict"] == verdict]
    return verdict, dtypes if len(dtypes) < len(rows) else []


def found_by(failure: Data) -> str:
    """The requirements under which it fails, each with its dtypes."""
    return units(failure["found_by"])


def units(every: Iterable[Data]) -> str:
    """Requirements, each with its dtypes."""
    return requirements((each["requirement"], each["dtype"]) for each in every)


def by_unit(data: Data) -> dict[tuple[str, str, str], list[Data]]:
    """The rows of each operation, requirement and dtype: one for each output."""
    found: dict[tuple[str, str, str], list[Data]] = {}
    for row in data["rows"]:
        found.setdefault((row["operation"], row["requirement"], row["dtype"]), []).append(row)
    return found


def cut_short(data: Data) -> bool:
    """Whether not all was judged that the kernel claims, be it that something is wrong all the same."""
    return bool(data["conclusion"]["limited"]) or _was_interrupted(data)


def _was_interrupted(data: Data) -> bool:
    return "interrupted" in (data["verdict"], data["conclusion"]["because"].partition(";")[0])


def place(of: Data) -> str:
    """Lines of a file, as mykernels.py:87-93."""
    last = f"-{of['last']}" if of["last"] > of["first"] else ""
    return f"{from_here(of['file'])}:{of['first']}{last}"


def limits(data: Data) -> list[str]:
    """What the verdict does not cover, a sentence each."""
    return [sentence for part in _LIMITS for sentence in part(data)]


def _not_whole(data: Data) -> Iterator[str]:
    if _was_interrupted(data):
        yield "interrupted: the rest was not judged"
    if data["conclusion"]["limited"]:
        yield data["conclusion"]["limited"]


def not_claimed(data: Data) -> Iterator[tuple[str, str]]:
    """Operations, each with what of it was not claimed, and why."""
    features: dict[tuple[str, str], list[str]] = {}
    for each in data["not_claimed"]:
        features.setdefault((each["operation"], each["reason"]), []).append(each["feature"])
    for (operation, reason), names in features.items():
        yield operation, f"{', '.join(names)} ({reason})"


def _not_claimed(data: Data) -> Iterator[str]:
    yield from (f"not claimed: {operation}: {what}" for operation, what in not_claimed(data))


def _misnamed(data: Data) -> Iterator[str]:
    for each in data["misnamed"]:
        yield f"{each['name']} is not called; did you mean {each['meant']}?"


def untested(data: Data) -> Iterator[tuple[str, str]]:
    """Operations, each with an output of it and the requirements under which nothing is known of that."""
    outputs: dict[tuple[str, str], list[str]] = {}
    for row in data["rows"]:
        if row["verdict"] == "untested":
            outputs.setdefault((row["operation"], row["output"]), []).append(row["requirement"])
    for (operation, output), names in outputs.items():
        yield operation, f"{output}: {', '.join(dict.fromkeys(names))}"


def _untested(data: Data) -> Iterator[str]:
    yield from (f"untested: {operation} {what}" for operation, what in untested(data))


def _unreached(data: Data) -> Iterator[str]:
    of = data["unreached"]
    if of["unknown"]:
        yield f"which lines no case ran is not known: {of['unknown']}"
    for each in of["places"]:
        yield f"no case ran {place(each)} ({each['why']})"


def _excused(data: Data) -> Iterator[str]:
    for each in every_failure(data["failures"]):
        what = f"{each['operation']} {each['output']} {each['status']}"
        if each["fault"]:
            yield f"decides nothing: {what} on {each['case']}: {excuse(each)}"
        elif each["known"] or each["baseline"]:
            yield f"known failure: {what} on {each['case']}: {excuse(each)}"


_LIMITS = (_not_whole, _not_claimed, _misnamed, _untested, _unreached, _excused)


def counted(data: Data) -> str:
    """How many cases, in how much time, and how the run was set up."""
    ran = f"{plural(data['cases'], 'case')} in {data['seconds']:.1f} s"
    return f"{ran}; oracle {data['oracle']}, profile {data['profile']}, seed {data['seed']}"
