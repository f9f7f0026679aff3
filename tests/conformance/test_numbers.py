"""The numbers that a kernel's source compares with: how they are read, and the cases on both sides of each."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import conformance
from conformance import Subject
from conformance.cases import Case
from conformance.cases.arrays import fill
from conformance.cases.case import CaseError
from conformance.cases.conditions import DENSE, around, dense, measures_of, parse, unasked, value
from conformance.cases.features import features_of
from conformance.cases.sizes import MOST, products
from conformance.kernels.conditions import numbers_of
from conformance.kernels.framework import oracle
from conformance.kernels.load import load
from conformance.kernels.source.foreign import foreign_conditions
from conformance.kernels.subject import SubjectError
from conformance.operations import OPERATIONS
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.lines import plain
from conformance.reports.run_info import RunInfo
from conformance.reports.text import lines as lines_of
from conformance.requirements import REQUIREMENTS, Plan
from conformance.running.in_process import InProcess
from conformance.verdicts.verdict import Numbers, Report

HEAD = """
import numpy as np
BLOCK = 1 << 5
TABLE = {(9, 5): 1, 11: 2}

RULES = [(97, 1), (193, 2)]
SIZES = {"wide": np.int64(98)}
TILES = {"3x17": 1}
RULE = lambda c: c == 99

class Plan:
    tile = 3 * 32
    def __init__(self, shape):
        self.width = shape[-1]
    def fits(self):
        return self.width % self.tile == 0

PLAN = Plan((1,))

def pair(v):
    return (v, v) if isinstance(v, int) else v

def fast(cin, size):
    return cin >= 2 * BLOCK and size != 7

def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    n, c, *image = input.shape
    k, cg, r, s = weight.shape
    sh, sw = pair(stride)
    h, w = image
"""
CONDITIONS = {
    "if len(bias) % 24: pass": ["filters % 24 == 0"],
    "if c >= 64 and h % 2 == 1: pass": ["channels >= 64 and image.0 % 2 == 1"],
    "if 512 < n: pass": ["batch > 512"],
    "if cg * r * s > 8192: pass": ["channels/groups*kernel.0*kernel.1 > 8192"],
    "if c // groups > 1024: pass": ["channels/groups > 1024"],
    "if k % BLOCK: pass": ["filters % 32 == 0"],
    "if r == s == 16 and (sh, sw) == (16, 16): pass": [
        "kernel.1 == 16 and kernel.0 == 16 and stride.0 == 16 and stride.1 == 16"
    ],
    "if weight.shape[2:] == (5, 9): pass": ["kernel.0 == 5 and kernel.1 == 9"],
    "if stride == 6: pass": ["stride == 6"],
    "if r in (11, 13): pass": ["kernel.0 == 11", "kernel.0 == 13"],
    "if c > 40 or k > 50: pass": ["channels > 40", "filters > 50"],
    "if c > 40:\n        if k > 50: pass": ["channels > 40", "channels > 40 and filters > 50"],
    "if input.nbytes > 64 * 1024: pass": ["bytes.input > 65536"],
    "if weight.size // 3 == 100: pass": ["size.weight/3 == 100"],
    "y = 1 if len(input) > 17 else 2": ["batch > 17"],
    "match r:\n        case 21: pass": ["kernel.0 == 21"],
    "match (r, c):\n        case (21, 64) | (23, 65): pass": [
        "kernel.0 == 21 and channels == 64",
        "kernel.0 == 23 and channels == 65",
    ],
    "match weight.shape:\n        case (_, 64, *_, 9): pass": ["channels/groups == 64 and kernel.1 == 9"],
    "match c:\n        case wide if wide > 150 and r == 5: pass": ["channels > 150 and kernel.0 == 5"],
    "if c in range(97, 103): pass": ["channels >= 97 and channels < 103"],
    "if w in range(91, 400, 90): pass": ["image.1 >= 91 and image.1 < 400 and image.1 % 90 == 1"],
    "if np.isin(c, [97, 193]): pass": ["channels == 97", "channels == 193"],
    "if any(c == each for each in (97, 193)): pass": ["channels == 97", "channels == 193"],
    "if all(each % 90 == 0 for each in (h, w)): pass": [
        "? % 90 == 0",
        "image.0 % 90 == 0 and image.1 % 90 == 0",
    ],
    "for size, _ in RULES:\n        if c == size: pass": ["channels == 97", "channels == 193"],
    "if {97: True}.get(k): pass": ["filters == 97"],
    "if c in TABLE.keys(): pass": ["channels == 11"],
    "if c == SIZES['wide'] or k == PLAN.tile: pass": ["channels == 98", "filters == 96", "image.1 % 96 == 0"],
    "if TILES.get(f'{r}x{s}'): pass": ["kernel.0 == 3 and kernel.1 == 17"],
    "if f'{r}x{s}' == '5x17': pass": ["kernel.0 == 5 and kernel.1 == 17"],
    "if RULE(c): pass": ["channels == 99"],
    "if not c & 127: pass": ["channels % 128 == 0"],
    "if c & (c - 1) == 0 and c > 64: pass": ["channels == 128 and channels > 64"],
    "if c >> 5 == 3: pass": ["channels >= 96 and channels < 128"],
    "if c // 32 == 3: pass": ["channels % 32 == 0", "channels >= 96 and channels < 128"],
    "if c.bit_length() == 8: pass": ["channels >= 128 and channels < 256"],
    "if abs(c - 97) < 1 or k + 3 > 100: pass": ["channels < 98", "filters > 97"],
    "if (many := c * r) == 291: pass": ["channels*kernel.0 == 291"],
    "for i in range(0, k, 48): pass": ["filters % 48 == 0"],
    "y = input[:, :100]": ["? > 100"],
    "y = min(w, 300)": ["image.1 > 300"],
    "if TABLE.get((r, sh)): pass": ["kernel.0 == 9 and stride.0 == 5"],
    "if r in TABLE: pass": ["kernel.0 == 11"],
    "if fast(c, r): pass": ["channels >= 64 and kernel != 7"],
    "if Plan(input.shape).fits(): pass": ["image.1 % 96 == 0"],
    "if np.abs(input).max() > 1e6: pass": ["values 1000000"],
    "if input[0, 0, 0, 0] < 0.5: pass": ["values 0.5"],
    "if input.ndim == 7 or len(input.shape) > 5 or c == 2: pass": [],
    "y = input[:, 0] + h * 5": [],
}


PLAIN = "import numpy as np\nimport npcnn\n\ndef conv2d(input, weight):\n"


def subject_of(tmp_path, body, text=HEAD):
    path = tmp_path / "named.py"
    path.write_text(f"{text}    {body}\n    return input\n")
    return load(str(path))


@pytest.mark.parametrize("body", CONDITIONS)
def test_the_numbers_that_a_path_may_depend_on_are_read(tmp_path, body):
    found, unread = numbers_of(subject_of(tmp_path, body), "conv2d")
    assert (sorted(found), unread) == (sorted(CONDITIONS[body]), "")


def test_in_another_layout_the_axes_are_others(tmp_path):
    subject = subject_of(tmp_path, "if input.shape[3] > 64 and weight.shape[3] == 32: pass")
    nhwc = Subject(subject.kernels, layout="NHWC")
    assert numbers_of(nhwc, "conv2d")[0] == ("channels > 64 and filters == 32",)


C = """
#define BLOCK (2 * 16) /* never 99 */
enum { TILE = 6 };
void conv2d(const Conv *o, const float *x) {
    if (o->C > 1024 && o->K % BLOCK == 0 || o->groups == 40) { /* if (o->C == 77) */
        for (int q = 0; q < o->Q; q += TILE) puts("N > 55");
    }
    if (peak > 1e6f) return;
}
"""


def test_the_text_of_another_language_is_read_beside_a_file_that_loads_it(tmp_path):
    subject = subject_of(tmp_path, "import ctypes")
    (tmp_path / "kernels.c").write_text(C)
    assert set(numbers_of(subject, "conv2d")[0]) == {
        "channels > 1024 and filters % 32 == 0", "groups == 40", "filters % 32 == 0", "output.1 % 6 == 0",
        "values 1000000",
    }  # fmt: skip


def test_a_text_of_another_language_is_read_where_it_is_declared(tmp_path):
    (tmp_path / "elsewhere.txt").write_text(C)
    subject = Subject({"conv2d": lambda input, weight: None}, source=str(tmp_path / "elsewhere.txt"))
    assert "groups == 40" in numbers_of(subject, "conv2d")[0]
    with pytest.raises(SubjectError, match=r"source='none\.c': a Subject's source are files"):
        Subject({"conv2d": lambda input, weight: None}, source="none.c")


def test_comments_and_strings_of_another_language_are_no_source():
    numbers = {number for condition in foreign_conditions(C) for *_, number in condition}
    assert numbers.isdisjoint({77, 99, 55})


EVERY = [line for lines in CONDITIONS.values() for line in lines if not line.startswith("values")]


def holds(atom, case, measure):
    number = value(case, measure)
    number = number % atom.modulus if atom.modulus else number
    how = {
        ">": number > atom.number,
        ">=": number >= atom.number,
        "<": number < atom.number,
        "<=": number <= atom.number,
    }
    return (how | {"==": number == atom.number, "!=": number != atom.number})[atom.how]


ONE_SIDED = {  # there is no such number, or no such image
    "channels == 128 and channels > 64",
    "image.1 >= 91 and image.1 < 400 and image.1 % 90 == 1",
}


@pytest.mark.parametrize("line", sorted({*EVERY} - ONE_SIDED))
def test_cases_lie_on_both_sides_of_a_condition(line):
    atoms = parse(line)
    cases = list(around("conv2d", features_of("conv2d") | {"float32"}, [line], 1000))
    for atom in atoms:
        others = [each for each in atoms if each is not atom]
        measures = atom.of or measures_of("conv2d")
        fitting = [case for case in cases if all(holds(each, case, each.of[0]) for each in others)]
        sides = {holds(atom, case, measure) for case in fitting for measure in measures}
        assert sides == {True, False}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_cases_of_a_number_of_nobody_knows_what_are_valid_and_small(operation):
    features = features_of(operation) | {"float32"}
    cases = list(around(operation, features, ["? > 300", "? > 40 and batch > 5", "kernel > 50"], 400))
    assert len(cases) > 8
    assert all(not case.problem and not case.hazard and products(case) <= MOST for case in cases)


def test_what_a_subject_lacks_no_number_asks():
    features = frozenset({"float32", "images not square", "no bias"})
    cases = around("conv2d", features, ["stride == 6", "groups == 40", "channels > 40"], 100)
    assert {case.needs <= features for case in cases} == {True}


def test_a_condition_that_no_small_case_meets_is_told():
    lines = ["channels > 40", "kernel.0 > 100000000 and batch > 100", "values 5"]
    assert unasked("conv2d", features_of("conv2d"), lines) == ["kernel.0 > 100000000 and batch > 100"]


@pytest.mark.parametrize("side", ["beyond", "below"])
@pytest.mark.parametrize("array", [0, 1, 2])
@pytest.mark.parametrize("number", [1e6, 1e-20, 0.5])
def test_values_lie_on_one_side_of_a_number(side, array, number):
    case = Case.parse(f"conv2d channels=4 image=9,9 kernel=3,3 filters=5 values={side}:{number} seed={array}")
    planted = np.abs(fill(case)[case.array_names[array]]).astype(np.float64)
    planted = planted[planted > 0]
    assert (planted > number).all() if side == "beyond" else (planted < number).all()
    assert Case.parse(str(case)) == case


@pytest.mark.parametrize("values", ["beyond", "beyond:", "beyond:0", "beyond:x", "above:3", "below:inf"])
def test_values_that_are_on_no_side_of_a_number_are_refused(values):
    with pytest.raises(CaseError, match=f"values={values}: no such values"):
        Case.parse(f"conv2d values={values}")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_values_beyond_and_below_numbers_keep_answers_exact(operation, dtype):
    numbers = ("values 100000", "values 1e-06", "values 0.3")
    features = features_of(operation) | {dtype}
    plan = Plan(operation, dtype, features, "quick", numbers=numbers)
    subject = Subject(conformance.load("npcnn").kernels, dtypes=(dtype,))
    asked = list(REQUIREMENTS["numbers"].cases(plan))
    runner = InProcess(subject, oracle("reference"))
    failed = [
        (case, each) for case, judged in runner.examine("numbers", asked) for each in judged if each.failed
    ]
    assert asked
    assert failed == []


WRONG = """
import npcnn

def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    y = npcnn.conv2d(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if CONDITION:
        y[..., -1] = 0
    return y
"""


@pytest.mark.parametrize(
    "condition", ["weight.shape[1] > 1024", "groups == 32 and weight.shape[1] == 4", "abs(input).max() > 1e6"]
)
def test_a_wrong_path_behind_a_number_is_found(tmp_path, condition):
    path = tmp_path / "wrong.py"
    path.write_text(WRONG.replace("CONDITION", condition))
    report = conformance.check(str(path), requirements="numbers", dtypes="float32", oracle="reference")
    assert report.verdict == "differs"


def test_a_right_path_behind_a_number_conforms_where_a_gradient_is_one_number_in_every_case(tmp_path):
    path = tmp_path / "right.py"
    backward = (
        "\ndef conv2d_backward(*arrays, **options):\n    return npcnn.conv2d_backward(*arrays, **options)\n"
    )
    path.write_text(
        WRONG.replace("y[..., -1] = 0", "y = y + 0").replace("CONDITION", "input.shape[2] > 10") + backward
    )
    asked = {"requirements": "numbers", "dtypes": "float32", "oracle": "reference", "profile": "quick"}
    report = conformance.check(str(path), **asked)
    assert (report.verdict, {row.verdict for row in report.rows}) == ("conforms", {"conforms"})


@pytest.mark.parametrize("operation", ["conv2d", "conv_transpose2d", "max_pool2d"])
def test_no_gradient_by_correlation_takes_long(operation):
    asked = list(around(operation, features_of(operation), ["kernel < 256", "? <= 1048576"], 400))
    assert 0 < max(map(dense, asked)) <= DENSE


def test_a_kernel_without_numbers_does_not_claim_them():
    report = conformance.check("examples/mykernels.py", requirements=("empty", "numbers"), oracle="reference")
    reason = "no number of its source could be tied to a size, an option or a value"
    assert ("conv2d", "numbers", reason) in report.not_claimed


def test_numbers_that_are_too_large_alone_are_not_claimed(tmp_path):
    subject = subject_of(
        tmp_path,
        "if input.size > 2**31 - 1: raise OverflowError\n    return npcnn.conv2d(input, weight)",
        PLAIN,
    )
    report = conformance.check(
        subject, requirements=("empty", "numbers"), oracle="reference", dtypes="float32"
    )
    assert ("conv2d", "numbers", "too large to be asked: size.input > 2147483647") in report.not_claimed
    assert report.passed


def test_an_object_that_is_called_has_numbers(tmp_path):
    body = "return input if weight.shape[1] > 70 else weight"
    path = tmp_path / "called.py"
    path.write_text(
        f"class Conv:\n    def __call__(self, input, weight):\n        {body}\n\nconv2d = Conv()\n"
    )
    assert numbers_of(conformance.load(str(path)), "conv2d") == (("channels/groups > 70",), "")


@pytest.mark.parametrize("number", ["np.inf", "-np.inf", "np.nan", "float('inf')", "1e400", "2**70"])
def test_a_number_that_no_size_reaches_is_none_of_a_size(tmp_path, number):
    body = f"if input.shape[2] == {number} or input.max() == {number}: pass"
    read = numbers_of(subject_of(tmp_path, body, PLAIN), "conv2d")[0]
    assert not any("inf" in line or "nan" in line for line in read)


def test_what_has_no_source_is_told():
    made: dict = {}
    exec("def conv2d(input, weight):\n    return input if weight.shape[0] > 77 else weight\n", made)
    unread = "no function of it has a source that can be read"
    assert numbers_of(Subject({"conv2d": made["conv2d"]}), "conv2d") == ((), unread)


def test_a_local_name_of_one_letter_says_nothing(tmp_path):
    body = "n = weight.shape[0]\n    n = n + 1\n    if n == 1000: pass"
    assert numbers_of(subject_of(tmp_path, body, PLAIN), "conv2d")[0] == ("? == 1000", "values 1000")


def test_a_source_that_cannot_be_read_is_told(tmp_path):
    subject = subject_of(tmp_path, "pass")
    Path(tmp_path / "named.py").unlink()
    assert numbers_of(subject, "conv2d") == ((), f"{tmp_path / 'named.py'} cannot be read")


def test_a_report_tells_the_numbers_and_which_are_too_large():
    numbers = Numbers("conv2d", ("channels > 64", "values 5"), ("batch > 10000000",))
    written = document(Report(Subject({"conv2d": lambda x, w: None}), numbers=[numbers]), RunInfo("torch"))
    text = [plain(line) for line in lines_of(written, 100)]
    assert "  conv2d: channels > 64; values 5" in text
    assert "  conv2d, not asked, too large: batch > 10000000" in text
    told = {"operation": "conv2d", "asked": ["channels > 64", "values 5"], "too_large": ["batch > 10000000"]}
    assert json.loads(json.dumps(as_data(written)))["numbers"] == [told]


def test_numbers_are_a_small_part_of_the_run_of_a_kernel_that_has_many():
    features = features_of("conv2d") | {"float32", "float64"}
    found, _ = numbers_of(conformance.load("npcnn"), "conv2d")
    plan = Plan("conv2d", "float32", features, numbers=found)
    asked, others = (
        sum(len(list(each.cases(plan))) for each in REQUIREMENTS.values() if each.of_source == of_source)
        for of_source in (True, False)
    )
    assert 50 < asked < others / 10


def test_every_dtype_is_asked_as_many_sizes():
    line = ("channels > 40",)
    plans = (
        Plan("conv2d", dtype, features_of("conv2d"), numbers=line, first=dtype == "float32")
        for dtype in OPERATIONS["conv2d"].family.dtypes
    )
    counts = {len(list(REQUIREMENTS["numbers"].cases(plan))) for plan in plans}
    assert len(counts) == 1
    assert math.prod(counts) > 0


ROUND = [
    "c = c + 1\n    if c > 97: pass",
    "for c in (c, k):\n        if c == 97: pass",
    "table = table.keys()\n    if c in table: pass",
    "match c:\n        case (c, [n, *_], {'k': k}): pass",
    "while (c := c // 2) > 97: pass",
    "if all(c > c for c in (c,)) or any([c == d for d in (e, c) for e in (d, 97)]): pass",
    "if np.isin(c) or c in range() or c in range(k) or {**{97: 1}}[c] or f'{c}' == 'wide': pass",
]


@pytest.mark.parametrize("body", ROUND)
def test_what_stands_for_itself_is_read_all_the_same(tmp_path, body):
    assert numbers_of(subject_of(tmp_path, body), "conv2d")[1] == ""
