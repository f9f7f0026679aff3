"""One test for each operation, output, requirement and dtype of the subject that --subject names."""

from __future__ import annotations

import pytest

from conformance.pytest_plugin import MATRIX
from conformance.suite.matrix import KnownFailure, Verdict, parameters


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    matrix = metafunc.config.stash[MATRIX]
    metafunc.parametrize("verdict", parameters([*matrix.verdicts(), *matrix.known_failures()]))


def test_subject(verdict: Verdict | KnownFailure) -> None:
    verdict.check()
