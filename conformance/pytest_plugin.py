"""The pytest plugin: options, and the verdict in the summary.

It loads in every pytest run of every user, so it imports nothing heavy.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import pytest

from conformance.kernels.framework import TRUSTED

if TYPE_CHECKING:
    from conformance.suite.matrix import Matrix

MATRIX = pytest.StashKey["Matrix"]()  # of the subject that --subject names
SUITE = "conformance.suite"
PROPERTY = "conformance"


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
    for name, text in {
        "op": "only this operation; may be repeated",
        "requirement": "only this requirement; may be repeated",
        "dtype": "only this dtype; may be repeated",
    }.items():
        group.addoption(f"--conformance-{name}", action="append", default=[], metavar="NAME", help=text)
    group.addoption(
        "--conformance-profile", default="standard", metavar="NAME", help="quick, standard or deep"
    )
    group.addoption("--conformance-oracle", default=TRUSTED, metavar="NAME", help="who is trusted")
    group.addoption("--conformance-seed", type=int, default=0, metavar="N", help="other random cases")
    group.addoption(
        "--conformance-timeout", type=float, default=10.0, metavar="SECONDS", help="a longer case hangs"
    )
    group.addoption(
        "--conformance-in-process", action="store_true", help="no worker processes: for a debugger"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("conformance_subject"):
        config.stash[MATRIX] = _matrix(config)
    elif any(SUITE in str(argument) for argument in config.args):
        raise pytest.UsageError(f"whom to judge: pytest --pyargs {SUITE} --subject mykernels")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With --subject, and where tests are handed out in groups: what is judged together goes to one process."""
    dist = config.getoption("dist")
    if dist == "loadgroup" or (dist == "load" and MATRIX in config.stash):
        from conformance.suite.scheduling import UnitScheduling

        return UnitScheduling(config, log)
    return None


def _matrix(config: pytest.Config) -> Matrix:
    """The matrix that the options ask for; what does not exist is told before any test is collected."""
    from conformance import usage
    from conformance.kernels.framework import MissingFramework
    from conformance.kernels.subject import SubjectError
    from conformance.suite.matrix import Matrix

    option = config.getoption
    try:
        if len(names := option("conformance_subject")) > 1:
            raise usage.WrongUsage(f"--subject {' --subject '.join(names)}: one at a time")
        subject = usage.subject_of(*names)
        usage.check_oracle(option("conformance_oracle"))
        usage.check_timeout(option("conformance_timeout"))
        settings = usage.settings(
            subject,
            operations=option("conformance_op"),
            requirements=option("conformance_requirement"),
            dtypes=option("conformance_dtype"),
            profile=option("conformance_profile"),
            seed=option("conformance_seed"),
        )
    except (usage.WrongUsage, SubjectError, MissingFramework) as error:
        raise pytest.UsageError(str(error)) from None
    return Matrix(
        subject,
        settings,
        option("conformance_oracle"),
        option("conformance_timeout"),
        option("conformance_in_process"),
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Give the report of a verdict what the summary needs, also from another process."""
    suite = sys.modules.get("conformance.suite.matrix")
    if suite is None or call.when != "call":
        return
    for value in getattr(getattr(item, "callspec", None), "params", {}).values():
        if isinstance(value, (suite.Verdict, suite.KnownFailure)):
            item.user_properties.append((PROPERTY, value.told()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Untested is no pass, though every test of it is skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    verdicts = map(_verdict, _told(reporter).values()) if reporter else ()
    if session.exitstatus == pytest.ExitCode.OK and any(each.startswith("untested") for each in verdicts):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The verdict on each subject, in a line, and what of it was not asked because of its name."""
    subjects = _told(terminalreporter)
    if subjects:
        terminalreporter.section("conformance")
    for subject, verdicts in subjects.items():
        verdict = _verdict(verdicts)
        terminalreporter.line(
            f"{subject} {verdict}",
            red=not verdict.startswith("conforms"),
            green=verdict.startswith("conforms"),
        )
    if subjects and (matrix := config.stash.get(MATRIX, None)):
        from conformance.reports.text import misnamed

        for note in misnamed(matrix.subject):
            terminalreporter.line(note, yellow=True)


def _told(reporter: Any) -> dict[str, list[tuple[dict[str, Any], bool]]]:
    """What each verdict said of its subject, and whether its test failed."""
    subjects: dict[str, list[tuple[dict[str, Any], bool]]] = {}
    for category in ("passed", "failed", "skipped", "xfailed"):
        for report in reporter.getreports(category):
            for name, told in getattr(report, "user_properties", ()):
                if name == PROPERTY and report.when == "call":
                    subjects.setdefault(told["subject"], []).append((told, report.failed))
    return subjects


def _verdict(verdicts: list[tuple[dict[str, Any], bool]]) -> str:
    units: dict[str, int] = {}
    for told, _ in verdicts:
        units[told["unit"]] = max(units.get(told["unit"], 0), told["cases"])
    cases = _plural(sum(units.values()), "case")
    judged = [told for told, _ in verdicts if told["verdict"] not in ("not claimed", "no longer fails")]
    wrong = [told for told, failed in verdicts if failed]
    if not wrong and (unclaimed := _unclaimed([told for told, _ in verdicts])):
        return f"untested: {', '.join(unclaimed)}: no case that was asked is claimed, bad arguments apart"
    if not wrong and any(told["verdict"] == "conforms" for told in judged):
        share, count = max(told["share"] for told in judged), _plural(len(judged), "verdict")
        return f"conforms: {cases}, {count}; worst error {share:.2f} of what rounding explains"
    if not wrong:
        return "untested: no case was judged"
    kinds = dict.fromkeys(f"{told['what']} {told['verdict']}" for told in wrong)
    return f"differs: {'; '.join(kinds)} ({cases})"


def _unclaimed(verdicts: list[dict[str, Any]]) -> list[str]:
    """Operations of which more than bad arguments was asked, and nothing of that is claimed; see Report.unclaimed."""
    units = [(told["unit"].split("-"), told["verdict"]) for told in verdicts]
    asked = [(of[0], verdict) for of, verdict in units if len(of) == 3 and of[1] != "arguments"]
    judged = {operation for operation, verdict in asked if verdict != "not claimed"}
    return [operation for operation in dict.fromkeys(of for of, _ in asked) if operation not in judged]


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
