"""How pytest-xdist hands out the tests of a matrix: what is judged together goes to one process."""

from __future__ import annotations

import re

from xdist.scheduler import LoadGroupScheduling


class UnitScheduling(LoadGroupScheduling):  # type: ignore[misc]
    """A scope is a unit: the tests of all outputs of an operation under a requirement in a dtype.

    Every other test is handed out by itself, or with its xdist_group. (A group of one's own for each unit would do
    under `--dist loadgroup`, but pytest-xdist 3.8 does not see groups under pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        verdict = _VERDICT.match(nodeid)
        return "-".join(verdict.groups()) if verdict else str(super()._split_scope(nodeid))


_VERDICT = re.compile(r"(.*\[\w+)-(?:output|indices|grad_\w+)-(\w+-float\d+\])")
