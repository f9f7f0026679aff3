"""A fault of the framework that a kernel is written with is told as that, and hides nothing of the kernel's."""

from types import SimpleNamespace

import pytest

from conformance import Subject
from conformance.cases import Case
from conformance.cases.features import features_of
from conformance.kernels import reference
from conformance.kernels.load import load
from conformance.reports.conclusion import conclusion
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.findings import findings
from conformance.reports.run_info import RunInfo
from conformance.reports.text import findings_text
from conformance.requirements import Plan
from conformance.running.fault import Faults
from conformance.running.in_process import InProcess
from conformance.running.judge import judge
from conformance.running.tasks import Task
from conformance.suite.matrix import Verdict
from conformance.verdicts.judgement import Judgement
from conformance.verdicts.verdict import Report

torch = pytest.importorskip("torch")
F = torch.nn.functional
right = F.conv2d
CASES = [
    "conv2d channels=2 image=5,7 kernel=2,2 stride=3,2",
    "conv2d channels=2 image=5,7 kernel=2,2",
    "conv2d channels=2 filters=3 image=5,7 kernel=2,2 stride=3,2 bias=true",
    "conv2d channels=2 filters=3 image=5,7 kernel=2,2 stride=2 bias=true",
]


@pytest.fixture(autouse=True)
def _wrong_with_strides(monkeypatch):
    """PyTorch as it is not: conv2d is wrong wherever the strides differ."""

    def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        return right(input, weight, bias, stride, padding, dilation, groups) + are_unequal(stride)

    monkeypatch.setattr(F, "conv2d", conv2d)


def are_unequal(stride):
    return isinstance(stride, tuple) and len(set(stride)) > 1


def wrapper(input, weight, bias=None, stride=1):
    return F.conv2d(input, weight, bias, stride)


def without_bias(input, weight, bias=None, stride=1):
    return F.conv2d(input, weight, None if bias is None else 0 * bias, stride)


def wrong_in_its_own_way(input, weight, bias=None, stride=1):
    return right(input, weight, bias, stride) + 2 * are_unequal(stride)


def report_of(conv2d):
    subject = conv2d if isinstance(conv2d, Subject) else Subject({"conv2d": conv2d}, framework="torch")
    task = Task(Plan("conv2d", "float32", features_of("conv2d")), "exact", only=tuple(map(Case.parse, CASES)))
    return Report(subject, judge(task, subject, InProcess(subject, reference.answer)))


def test_a_failure_that_is_the_framework_s_own_does_not_decide_the_verdict():
    report = report_of(wrapper)
    assert {row.output: row.verdict for row in report.rows} == {
        "output": "framework fault", "grad_input": "conforms", "grad_weight": "conforms", "grad_bias": "conforms",
    }  # fmt: skip
    assert (report.verdict, report.passed) == ("conforms", True)


def test_a_failure_that_is_the_framework_s_own_is_told_with_its_smallest_case():
    report = report_of(wrapper)
    found = findings(report, RunInfo("reference"))
    text = findings_text(found, report.subject, RunInfo("reference"))
    assert [str(each.case) for each in found] == ["conv2d stride=1,2"]
    assert "conv2d output  framework fault  output[0, 0, 0, 0] = " in text
    assert "not its own     PyTorch's own conv2d does, too" in text
    assert conclusion(report, found).because.endswith("; 1 framework fault")


def test_a_failure_that_is_the_framework_s_own_is_marked_in_the_report_for_programs():
    data = as_data(document(report_of(wrapper), RunInfo("reference")))
    assert [each["fault"] for each in data["failures"]] == ["PyTorch's own conv2d"]
    assert (data["verdict"], data["passed"]) == ("conforms", True)


def test_a_failure_that_is_the_framework_s_own_is_expected_in_pytest():
    (row,) = [row for row in report_of(wrapper).rows if row.failure]
    verdict = Verdict(SimpleNamespace(row=lambda *_: row), row.unit, row.output)
    with pytest.raises(pytest.xfail.Exception, match=r"PyTorch's own conv2d does, too \(conv2d stride=1,2\)"):
        verdict.check()


@pytest.mark.parametrize("conv2d", [without_bias, wrong_in_its_own_way])
def test_a_kernel_s_own_failure_decides_the_verdict(conv2d):
    assert report_of(conv2d).verdict == "differs"


def test_a_kernel_s_own_failure_is_found_behind_the_framework_s_and_shown_apart_from_it():
    failures = {row.output: row.failure for row in report_of(without_bias).rows if row.failure}
    assert str(failures["output"].case) == "conv2d bias=true"


@pytest.mark.parametrize(
    "itself", [lambda: load("torch"), lambda: F.conv2d], ids=["by name", "as a function"]
)
def test_a_framework_judged_itself_is_at_fault(itself):
    assert report_of(itself()).verdict == "differs"


def test_a_kernel_on_arrays_of_no_framework_with_kernels_is_at_fault_itself():
    subject = Subject({"conv2d": print}, framework="numpy")
    runner = SimpleNamespace(of=None)
    assert Faults(subject, runner).of_framework("exact", Case.parse("conv2d"), WRONG) == ""


def test_a_kernel_on_another_device_is_at_fault_itself():
    subject = Subject({"conv2d": wrapper}, framework="torch", device="cuda")
    assert Faults(subject, SimpleNamespace(of=None)).of_framework("exact", Case.parse("conv2d"), WRONG) == ""


WRONG = Judgement("output", "differs", answer=[[1.0, float("nan")]])
OTHER = Judgement("output", "differs", answer=[[2.0, float("nan")]])
CRASHED, HUNG = Judgement("output", "crashed", message="at a"), Judgement("output", "hung")
NONE = Judgement("output", "conforms")


class Answering:
    """A runner that gives these judgements in turn, the last for ever."""

    def __init__(self, *judgements, of=None):
        self.judgements, self._of = list(judgements), of

    def examine(self, requirement, cases):
        for case in cases:
            now = self.judgements.pop(0) if len(self.judgements) > 1 else self.judgements[0]
            yield case, [now]

    def of(self, name):
        return self._of


def test_a_hang_that_is_the_framework_s_own_is_shown_without_the_time_to_shrink_it():
    subject = Subject({"conv2d": wrapper}, framework="torch")
    case = Case.parse(CASES[0])
    (row,) = judge(Task.of_case("exact", case), subject, Answering(HUNG, of=Answering(HUNG)))
    assert (row.verdict, row.failure and row.failure.case) == ("framework fault", case)


@pytest.mark.parametrize(
    ("failure", "again", "own", "whose"),
    [
        (WRONG, [WRONG], [WRONG._replace(answer=[[1.0, float("nan")]])], "PyTorch's own conv2d"),
        (WRONG, [WRONG], [OTHER], ""),
        (WRONG, [WRONG], [NONE], ""),
        (WRONG, [WRONG], [CRASHED], ""),
        (CRASHED, [CRASHED], [CRASHED._replace(message="at b")], "PyTorch's own conv2d"),
        (HUNG, [HUNG], [CRASHED], ""),
        (WRONG, [OTHER], [NONE, OTHER, WRONG], "PyTorch's own conv2d"),  # a race in both
        (WRONG, [WRONG], [NONE, OTHER, WRONG], ""),
        (WRONG, [OTHER], [OTHER], ""),
        (WRONG, [NONE], [NONE], ""),
    ],
)
def test_two_failures_are_one_where_they_end_alike_and_with_the_same_numbers(failure, again, own, whose):
    subject = Subject({"conv2d": wrapper}, framework="torch")
    runner = Answering(*again, of=Answering(*own))
    assert Faults(subject, runner).of_framework("exact", Case.parse("conv2d"), failure) == whose
