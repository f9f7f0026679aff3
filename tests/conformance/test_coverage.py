"""Which classes of parameters the cases of a run met, and what a report says of them."""

import pytest

from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.classes import classes_met, parameters_of
from conformance.kernels.subject import Subject
from conformance.reports.document import document
from conformance.reports.finding_arrays import arrays_of
from conformance.reports.findings import findings
from conformance.reports.run_info import RunInfo
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.usage import checked_oracle, settings
from conformance.verdicts.coverage import Pair, coverage
from npcnn import avg_pool1d, conv1d


def class_of(text, name):
    case = Case.parse(text)
    return dict(zip(parameters_of(case.operation), classes_met(case), strict=True))[name]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("conv2d", "stride", "1"),
        ("conv2d stride=3,2", "stride", "3"),
        ("conv2d stride=3,2", "axes", "unlike"),
        ("conv2d stride=3", "axes", "alike"),
        ("conv2d batch=none", "batch", "unbatched"),
        ("conv2d image=4", "image", "4 to 8"),
        ("conv2d image=9,8", "image", "9 to 64"),
        ("conv2d image=65,8", "image", "65 to 1,024"),
        ("conv2d image=1025,8", "image", "above 1,024"),
        ("conv2d padding=same", "padding", "same"),
        ("conv2d bias=true", "bias", "True"),
        ("max_pool2d", "stride", "None"),
        ("max_pool2d values=ties", "values", "ties"),
        ("lp_pool2d norm_type=1.5", "norm_type", "1.5"),
        ("conv2d layout=input:reversed", "layout", "reversed"),
        ("conv2d layout=input:reversed,weight:reversed", "layout", "reversed"),
        ("conv2d layout=input:reversed,weight:transposed", "layout", "several"),
        ("adaptive_avg_pool2d output_size=none,3", "output_size", "3"),
    ],
)
def test_a_parameter_has_a_class(text, name, expected):
    assert class_of(text, name) == expected


def test_pairs_of_classes_are_counted_where_both_parameters_vary():
    cases = ("conv1d stride=2", "conv1d stride=2 bias=true", "conv1d bias=true", "conv1d stride=2 bias=true")
    met: dict[str, int] = {}
    for text in cases:
        classes = "|".join(classes_met(Case.parse(text)))
        met[classes] = met.get(classes, 0) + 1
    found = coverage("conv1d", met)
    assert (found.cases, found.parameters["stride"]) == (4, {"1": 1, "2": 3})
    assert found.pairs == [Pair("stride", "bias", [[0, 1], [1, 2]])]


def test_classes_stand_as_numbers_rise_and_words_behind_them():
    extents = ("1025", "65", "9", "4", "2")
    met = {"|".join(classes_met(Case.parse(f"conv1d image={n}"))): 1 for n in extents}
    met |= {"|".join(classes_met(Case.parse("conv1d batch=none"))): 1}
    found = coverage("conv1d", met).parameters
    assert list(found["image"]) == ["1", "2", "4 to 8", "9 to 64", "65 to 1,024", "above 1,024"]
    assert list(found["batch"]) == ["1", "unbatched"]


def report_of(functions, requirement="exact"):
    subject = Subject(functions, dtypes=("float32",))
    chosen = settings(subject, requirements=requirement, profile="quick")
    return run(subject, InProcess(subject, checked_oracle("reference")), chosen)


def test_a_report_counts_the_classes_met_every_case():
    (found,) = report_of({"conv1d": conv1d}).coverage
    assert found.operation == "conv1d"
    assert all(sum(counts.values()) == found.cases for counts in found.parameters.values())
    assert found.parameters["stride"].keys() >= {"1", "2", "3"}


def halved(input, kernel_size, **options):
    answer = avg_pool1d(input, kernel_size, **options)
    answer[..., -1:] /= 2
    return answer


def test_a_finding_has_the_arrays_of_its_smallest_case():
    report = report_of({"avg_pool1d": halved})
    (finding,) = findings(report, RunInfo("reference"))
    arrays = {each.name: each for each in arrays_of(finding, report.subject)}
    assert list(arrays) == ["input", "grad_output", "got", "expected", "bound"]
    assert arrays["input"].values == fill(finding.case)["input"].tolist()
    assert arrays["got"].values == [[[arrays["expected"].values[0][0][0] / 2]]]
    assert arrays["bound"].shape == arrays["got"].shape == [1, 1, 1]


def raising(input, weight, bias=None, **options):
    raise RuntimeError("no")


def test_a_finding_without_an_answer_has_its_arguments_alone():
    report = report_of({"conv1d": raising})
    (finding,) = document(report, RunInfo("reference")).findings
    assert [each.name for each in arrays_of(finding, report.subject)] == ["input", "weight", "grad_output"]


def nan_for_infinity(input, weight, bias=None, **options):
    answer = conv1d(input, weight, bias, **options)
    answer[abs(answer) == float("inf")] = float("nan")
    return answer


def test_a_number_that_json_lacks_is_text():
    report = report_of({"conv1d": nan_for_infinity}, "special")
    (finding,) = findings(report, RunInfo("reference"))
    arrays = {each.name: each for each in arrays_of(finding, report.subject)}
    assert "inf" in str(arrays["expected"].values)
    assert "nan" in str(arrays["got"].values)
