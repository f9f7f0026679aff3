"""Failures that several tests find: told once, by the first of them that the session reports."""

from __future__ import annotations

from typing import Any

from conformance.reports.findings import same
from conformance.verdicts.verdict import Failure, Row


class Told:
    """What was told so far; `said` is what a test says as plain data, `test` its id."""

    def __init__(self) -> None:
        self._failures: list[tuple[str, Failure, str]] = []

    def reference(self, said: dict[str, Any], test: str) -> str:
        """A line that names the test that has told it; "" for what is new."""
        lines = [
            self._reference(said["subject"], failure, test)
            for row in map(Row.from_data, said.get("rows", ()))
            for failure in row.failures
            if failure.decides
        ]
        return "\n".join(lines) if all(lines) else ""

    def _reference(self, subject: str, failure: Failure, test: str) -> str:
        for whose, told, by in self._failures:
            if whose == subject and same(told, failure):
                output, status = failure.judgement[:2]
                words = f"{failure.case.operation} {output}  {status.upper()}"
                return f"{words}  as told by {by.rpartition('::')[2]} ({failure.case})"
        self._failures.append((subject, failure, test))
        return ""
