"""The pytest plugin: options, and the verdict in the summary.

It loads in every pytest run of every user, so it imports nothing heavy.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

from conformance.kernels.framework import TRUSTED

if TYPE_CHECKING:
    from conformance.suite.matrix import Matrix
    from conformance.suite.summary import Summary
    from conformance.suite.told import Told

MATRIX = pytest.StashKey["Matrix"]()  # of the subject that --subject names
SUITE = "conformance.suite"
TESTS = "conformance.suite.test_subject"  # as `pytest --pyargs` takes it
PROPERTY = "conformance"
CATEGORIES = ("passed", "failed", "skipped", "xfailed", "xpassed")
INTERRUPTED = pytest.StashKey[bool]()  # whether some tests had no turn


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "conformance: judge a convolution or pooling kernel")
    subject: dict[str, Any] = {"dest": "conformance_subject", "metavar": "NAME", "action": "append"}
    subject["help"] = (
        "with --pyargs conformance.suite: a module, file.py, either with :object, or a framework"
    )
    try:
        group.addoption("--subject", "--conformance-subject", **subject)
    except (ValueError, argparse.ArgumentError):  # another plugin has a --subject
        group.addoption("--conformance-subject", **subject)
    for name, how in OPTIONS.items():
        group.addoption(f"--conformance-{name}", **how)


_SEVERAL = {"action": "append", "default": [], "metavar": "NAME"}
OPTIONS: dict[str, dict[str, Any]] = {
    "op": _SEVERAL | {"help": "only this operation; may be repeated, or a list with commas"},
    "requirement": _SEVERAL | {"help": "only this requirement; likewise"},
    "skip": _SEVERAL | {"help": "not this requirement; likewise"},
    "dtype": _SEVERAL | {"help": "only this dtype; likewise"},
    "profile": {"default": "standard", "metavar": "NAME", "help": "quick, standard or deep"},
    "oracle": {"default": TRUSTED, "metavar": "NAME", "help": "whose answers are right"},
    "seed": {"type": int, "default": 0, "metavar": "N", "help": "other random cases"},
    "timeout": {"type": float, "default": 10.0, "metavar": "SECONDS", "help": "that one call may take"},
    "in-process": {"action": "store_true", "help": "no worker processes: for a debugger"},
    "strict": {"action": "store_true", "help": "what is otherwise advice fails"},
    "framework": {"metavar": "NAME", "help": "whose arrays it takes; found out if not given"},
    "device": {"metavar": "NAME", "help": "where its arrays live, as its framework names it"},
}


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("conformance_subject"):
        config.stash[MATRIX] = _matrix(config)
    elif any(SUITE in str(argument) for argument in config.args):
        raise pytest.UsageError(f"no kernel to judge: pytest --pyargs {SUITE} --subject mykernels")
    if not hasattr(config, "workerinput"):  # pytest-xdist's workers report to this process
        config.pluginmanager.register(_Once())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With --subject, and where tests are handed out in groups: what is judged together goes to one process."""
    dist = config.getoption("dist")
    if dist == "loadgroup" or (dist == "load" and MATRIX in config.stash):
        from conformance.suite.scheduling import UnitScheduling

        return UnitScheduling(config, log)
    return None


def _matrix(config: pytest.Config) -> Matrix:
    """The matrix that the options ask for; what does not exist is refused before any test is collected."""
    from conformance import usage
    from conformance.kernels.framework import MissingFramework
    from conformance.kernels.subject import SubjectError
    from conformance.suite.matrix import Matrix

    def option(name: str) -> Any:
        return config.getoption(f"conformance_{name}")

    try:
        if len(names := option("subject")) > 1:
            raise usage.WrongUsage(f"--subject {' --subject '.join(names)}: one at a time")
        words = {name: option(name) for name in ("strict", "framework", "device")}
        declared = usage.declared_in_words(**words)
        subject = usage.subject_of(names[0], declared)
        usage.check_oracle(option("oracle"))
        usage.check_timeout(option("timeout"))
        settings = usage.settings(subject, **{word: _split(option(name)) for word, name in SETTINGS.items()})
    except (usage.WrongUsage, SubjectError, MissingFramework) as error:
        raise pytest.UsageError(str(error)) from None
    return Matrix(subject, settings, option("oracle"), option("timeout"), option("in_process"), declared)


SETTINGS = {  # and the option of each
    "operations": "op", "requirements": "requirement", "skipped": "skip", "dtypes": "dtype", "profile": "profile",
    "seed": "seed",
}  # fmt: skip


def _split(given: Any) -> Any:
    """Words with commas between them, as so many words."""
    return [word for words in given for word in words.split(",")] if isinstance(given, list) else given


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """The verdict as the word that stands first in the line of a test that fails."""
    verdicts = [said["verdict"] for said in _said_by(report)] if report.failed else []
    return ("failed", "F", verdicts[0].upper()) if verdicts else None


class _Once:
    """A failure that several tests find is told by the first; the others refer to it."""

    told: Told | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed or not (said := _said_by(report)):
            return
        from conformance.suite.told import Told

        self.told = self.told or Told()
        if reference := self.told.reference(said[0], report.nodeid):
            report.longrepr = reference


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Give the report of a verdict its row as plain data, which comes here also from another process."""
    suite = sys.modules.get("conformance.suite.matrix")
    if suite is None or call.when != "call":
        return
    for value in getattr(getattr(item, "callspec", None), "params", {}).values():
        if isinstance(value, (suite.Verdict, suite.KnownFailure)):
            item.user_properties.append((PROPERTY, value.as_data()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Untested is no pass, though every test of it is skipped; what ends early is none either."""
    ended = session.exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
    session.config.stash[INTERRUPTED] = ended or bool(session.shouldstop or session.shouldfail)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    untested = any(each.verdict == "untested" for each in _summaries(reporter))
    if session.exitstatus == pytest.ExitCode.OK and untested:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The verdict on each subject, in a line, what it is advised of, and what was not judged because of its name."""
    summaries = _summaries(terminalreporter)
    if summaries:
        terminalreporter.section("conformance")
    for each in summaries:
        conforms = each.verdict == "conforms"
        terminalreporter.line(str(each), red=not conforms, green=conforms)
        for line in each.advice:
            terminalreporter.line(line, yellow=True)
    if summaries and (matrix := config.stash.get(MATRIX, None)):
        from conformance.reports.text import misnamed

        for note in misnamed(matrix.subject):
            terminalreporter.line(note, yellow=True)
        _name_as_pyargs(terminalreporter, config)


def _name_as_pyargs(reporter: Any, config: pytest.Config) -> None:
    """The lines that follow name the tests of the suite so that they can be run, wherever it is installed."""
    home = os.path.relpath(config.invocation_params.dir / TESTS, config.rootpath)
    for category in CATEGORIES:
        for report in filter(_said_by, reporter.getreports(category)):
            _, _, name = report.nodeid.partition("::")
            report.nodeid = f"{home}::{name}"


def _summaries(reporter: Any) -> list[Summary]:
    """What the tests of each subject say of it; nothing heavy is imported where there are none."""
    said = list(_said(reporter)) if reporter else []
    if not said:
        return []
    from conformance.suite.summary import summaries

    return summaries(said, reporter.config.stash.get(INTERRUPTED, False))


def _said(reporter: Any) -> Iterator[dict[str, Any]]:
    for category in CATEGORIES:
        for report in reporter.getreports(category):
            yield from _said_by(report)


def _said_by(report: pytest.TestReport) -> list[dict[str, Any]]:
    """What a test says of a subject: one entry, or none where it is another's test."""
    if getattr(report, "when", "") != "call":
        return []
    return [cast(dict[str, Any], value) for name, value in report.user_properties if name == PROPERTY]
