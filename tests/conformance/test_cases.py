"""Cases: their text, what is refused, and what they are built from."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.cases import Case, CaseError
from conformance.cases.arrays import fill
from conformance.cases.covering import classes_of, covering, explore, forms
from conformance.cases.features import declinable, features_of, probes
from conformance.cases.named import listed, named, refused, smallest
from conformance.cases.neighbours import neighbours
from conformance.cases.networks import layers, lookalikes
from conformance.cases.scope import every_geometry, every_pair, exhausted, geometries
from conformance.cases.sizes import PRODUCTS, crossed, far, mixed, products, reaches, tails
from conformance.cases.strategies import cases
from conformance.cases.values import FEW, chance, magnitudes
from conformance.cases.views import VIEWS
from conformance.operations import DTYPES, OPERATIONS
from conformance.requirements import REQUIREMENTS, Plan

SEVERAL_AXES = [name for name, operation in OPERATIONS.items() if operation.dimensions > 1]
ANY_CASE = st.sampled_from(sorted(OPERATIONS)).flatmap(cases)
SOURCES = {
    "covering": covering,
    "every geometry": every_geometry,
    "tails": tails,
    "reaches": reaches,
    "crossed": crossed,
    "mixed": lambda operation, features: mixed(operation, features, 100, 0),
    "smallest": smallest,
    "explore": lambda operation, features: explore(operation, features, 300, 0),
    "far": far,
    "named": lambda operation, features: named("named", operation, features),
    "busy": lambda operation, features: named("busy", operation, features),
    "layers of networks": lambda operation, features: named("layers", operation, features),
    "layers": layers,
    "look-alikes": lambda operation, features: itertools.islice(lookalikes(operation, features), 0, None, 5),
}


@given(ANY_CASE)
def test_text_of_a_case_reads_back_as_the_case(case):
    assert Case.parse(str(case)) == case


@given(ANY_CASE)
def test_drawn_cases_are_valid_and_observable(case):
    assert case.problem is None
    assert len(set(case.image)) == case.dimensions or case.dimensions == 3


@pytest.mark.parametrize("operation", ["conv_transpose2d", "max_unpool2d"])
def test_an_image_that_had_to_grow_is_not_square_for_that(operation):
    images = [case.image for case in explore(operation, features_of(operation), 800, 0)]
    assert [image for image in images if len(set(image)) == 1] == []


def test_text_leaves_out_defaults():
    assert str(Case.of("conv2d", image=(1, 3), stride=(1, 2))) == "conv2d image=1,3 stride=1,2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "conv4d",
            "conv4d: no such operation (did you mean conv3d?); there are conv1d, conv2d, conv3d, ",
        ),
        ("conv2d strid=2", "strid=2: conv2d has no field strid (did you mean stride?); there are"),
        ("conv2d stride", "stride: a field is written name=value"),
        ("conv2d stride=1 stride=2", "stride=2: stride is given twice"),
        ("conv2d stride=1.5", "stride=1.5: stride is int or tuple"),
        ("conv2d stride=1..5", "stride=1..5: a value is a number"),
        ("conv2d stride=1,none", "stride=1,none: stride is one int an axis"),
        ("max_unpool2d layout=input:broadcast", "layout=input:broadcast: of positions and what they place"),
        ("conv2d stride=1,2,3", "stride=1,2,3: conv2d has 2 axes"),
        ("conv2d image=3,", "image=3,: conv2d has 2 extents"),
        ("conv1d image=3,4", "image=3,4: conv1d has 1 extents"),
        ("avg_pool1d divisor_override=2", "divisor_override=2: avg_pool1d has no field divisor_override"),
        ("conv2d groups=true", "groups=true: groups is int"),
        ("conv2d batch=-1", "batch=-1: batch is not negative"),
        ("conv2d dtype=float23", "dtype=float23: no such dtype of conv2d (did you mean float32?)"),
        ("conv2d values=integer", "values=integer: no such values of conv2d (did you mean integers?)"),
        ("conv2d layout=weigth:sliced", "layout=weigth: no such layout of conv2d (did you mean weight?)"),
        ("max_pool2d malformed=bias_rank", "malformed=bias_rank: no such malformed of max_pool2d"),
        ("", "empty text: no such operation"),
    ],
)
def test_wrong_text_is_refused_with_what_exists(text, message):
    with pytest.raises(CaseError) as error:
        Case.parse(text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_built_case_is_one_that_pytorch_answers(source, operation):
    built = list(SOURCES[source](operation, features_of(operation)))
    assert built
    assert [str(case) for case in built if case.problem or case.hazard] == []


AXES = (1, 2, 3)
EXTREMES = {  # for so many axes
    "an answer without elements": (("conv_transpose",), AXES, lambda case: 0 in case.output_extents),
    "more windows than pixels": (
        ("adaptive_avg_pool", "adaptive_max_pool"),
        AXES,
        lambda case: case.output_extents > case.image,
    ),
    "a filter for each channel": (
        ("conv", "conv_transpose"),
        AXES,
        lambda case: 1 < case.groups == case.channels == case.filters,
    ),
    "a filter of 3x3x3 for each channel": (
        ("conv", "conv_transpose"),
        (3,),
        lambda case: 1 < case.groups == case.channels == case.filters and case.kernel == (3, 3, 3),
    ),
    "70,000 samples": (("conv", "conv_transpose"), (1,), lambda case: case.image[0] >= 70_000),
    "a filter of one tap": (("conv", "conv_transpose"), AXES, lambda case: set(case.kernel) == {1}),
}
SECTIONS = ("named", "layers", "hazards")


@pytest.mark.parametrize(
    ("what", "operation"),
    [
        (what, f"{family}{n}d")
        for what, (families, axes, _) in EXTREMES.items()
        for family in families
        for n in axes
    ],
)
def test_an_extreme_is_a_named_case(what, operation):
    is_extreme = EXTREMES[what][2]
    assert any(is_extreme(case) for section in SECTIONS for case in listed(section, operation))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "missing", ["padding", "stride", "options per axis", "unbatched", "options as tuples"]
)
@pytest.mark.parametrize("source", SOURCES)
def test_no_built_case_needs_a_feature_that_is_not_claimed(source, missing, operation):
    features = features_of(operation) - {missing}
    assert [str(case) for case in SOURCES[source](operation, features) if missing in case.needs] == []


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_kernel_of_plain_loops_answers_every_case_in_seconds(source, operation):
    most = {1: 2, 2: 3, 3: 12}[OPERATIONS[operation].dimensions] * PRODUCTS
    assert max(products(case) for case in SOURCES[source](operation, features_of(operation))) <= most


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_extreme_meets_every_class_of_the_batch(operation):
    cases = list(crossed(operation, features_of(operation)))
    wide = {case.batch for case in cases if case.windows[-1] == 65}
    has_kernel = OPERATIONS[operation].family.has_kernel
    long = {case.batch for case in cases if (max(case.kernel) if has_kernel else case.terms("output")) > 5}
    assert wide >= {1, 2, 3, None}
    assert long >= {1, 2, 3, None}


@pytest.mark.parametrize(
    ("text", "spoils"),
    [
        ("conv2d malformed=bias_rank", False),
        ("conv2d malformed=bias_rank bias=true", True),
        ("conv2d malformed=bias_one bias=true", False),
        ("conv2d malformed=weight_one channels=2 filters=2 groups=2", False),
        ("conv2d malformed=weight_one channels=2", True),
        ("conv2d malformed=input_one channels=2 filters=2 groups=2", True),
        ("max_pool2d malformed=input_rank", True),
    ],
)
def test_a_malformed_case_is_bad_only_where_its_arrays_change(text, spoils):
    case = Case.parse(text)
    plain = fill(replace(case, malformed=""))
    assert bool(case.problem) == spoils
    assert spoils == any(a.shape != plain[name].shape for name, a in fill(case).items())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_array_is_special_in_some_case(operation):
    found = OPERATIONS[operation]
    flags = {option.name: True for option in found.options if option.array}
    sizes = {"image": 4, found.family.size: (2,) * found.dimensions}
    plain = Case.of(operation, values="special", **sizes, **found.family.few, **flags)
    cases = [replace(plain, seed=seed) for seed in range(30)]
    filled = [fill(case) for case in cases]
    seen = {name for arrays in filled for name, a in arrays.items() if not np.isfinite(a).all()}
    assert seen == set(cases[0].array_names) - set(found.family.indexing)


def specials(section: str, operation: str) -> list[Case]:
    return [replace(case, values="special") for case in named(section, operation, features_of(operation))]


@pytest.mark.parametrize("kind", [np.isnan, np.isinf])
@pytest.mark.parametrize(
    ("array", "place"),
    [
        ("weight", (1, 1)),
        ("weight", (0, 0)),
        ("weight", (0, 2)),
        ("weight", (2, 0)),
        ("weight", (2, 2)),
        ("grad_output", (0, 0)),
        ("grad_output", (4, 5)),
    ],
)
def test_each_place_of_a_padded_filter_is_special_alone(array, place, kind):
    filled = [fill(case)[array] for case in specials("special", "conv2d") if case.padding]
    alone = [a for a in filled if np.count_nonzero(~np.isfinite(a)) == 1]
    assert any(kind(a[(..., *place)]).any() for a in alone)


@pytest.mark.parametrize("operation", ["max_pool1d", "max_pool2d"])
def test_a_window_that_is_the_image_has_several_nan_and_not_the_first_counts(operation):
    cases = [case for case in specials("special", operation) if case.kernel == case.image]
    planes = [
        np.isnan(fill(case)["input"]).reshape(-1, int(np.prod(case.image))).sum(axis=1) for case in cases
    ]
    assert max(int(plane.max()) for plane in planes) > 1


def test_a_special_case_may_be_empty_and_may_have_an_array_of_zeros_alone():
    cases = [
        Case.parse(f"conv2d batch={n} channels=2 values=special seed={s}") for n in (0, 2) for s in range(60)
    ]
    filled = [fill(case) for case in cases if not case.problem]
    assert len(filled) == 120
    assert any(not arrays["weight"].any() for arrays in filled)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refused_cases_have_a_problem(operation):
    assert all(case.problem for case in refused(operation, features_of(operation)))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_pair_of_classes_of_a_form_meets_in_a_case(operation):
    from conformance.cases.covering import _covering_rows

    for form in forms(operation, features_of(operation)):
        rows = [dict(row) for row in _covering_rows(operation, form, features_of(operation))]
        classes = classes_of(operation, form, features_of(operation))
        for (a, of_a), (b, of_b) in itertools.combinations(classes.items(), 2):
            assert {(row[a], row[b]) for row in rows} == set(itertools.product(of_a, of_b))


def test_an_option_of_0_along_an_axis_has_neighbours_there():
    case = Case.parse("conv2d image=5,3 kernel=2,2 stride=3 padding=0,1")
    assert replace(case, padding=(1, 2)) in neighbours(case)


def geometry_of(case: Case, axis: int) -> tuple[int, ...]:
    options = [option.name for option in OPERATIONS[case.operation].options if option.per_axis]
    values = (case.strides if name == "stride" else case.axes(getattr(case, name)) for name in options)
    kernel = case.kernel[axis : axis + 1 or None] if case.family.has_kernel else ()
    return case.image[axis], *kernel, *(value[axis] for value in values)


@pytest.mark.parametrize(
    ("operation", "axis"),
    [
        (name, axis)
        for name, found in OPERATIONS.items()
        for axis in range(found.dimensions)
        if not found.family.bounded
    ],
)
def test_every_geometry_of_an_axis_is_asked_on_every_axis(operation, axis):
    features = features_of(operation)
    asked = {geometry_of(case, axis) for case in every_geometry(operation, features)}
    assert asked == set(geometries(operation, features))


@pytest.mark.parametrize("operation", [name for name in SEVERAL_AXES if not name.endswith("pool3d")])
def test_every_pair_of_smaller_geometries_is_asked(operation):
    features = features_of(operation)
    every = every_pair(operation, features)
    asked = {(geometry_of(case, -2), geometry_of(case, -1)) for case in every}
    of_axis = geometries(operation, features, paired=True)
    assert asked == set(itertools.product(of_axis, of_axis))


LARGEST = {"image": 9, "kernel": 4, "stride": 4, "padding": 4, "dilation": 3}


def test_what_is_exhausted_follows_from_what_is_claimed():
    features = features_of("conv2d")
    every = exhausted("conv2d", features, pairs=False)
    fewer = exhausted("conv2d", features - {"dilation", "padding"}, pairs=True)
    assert (every.largest, every.pairs) == (LARGEST, 0)
    assert (fewer.largest, fewer.geometries) == (LARGEST | {"padding": 0, "dilation": 1}, 120)
    assert every.chance[0] == max(chance(case, small=False) for case in every_geometry("conv2d", features))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_probes_need_the_feature_that_they_show(operation):
    showing = probes(operation) | declinable(operation)
    assert [feature for feature, case in showing.items() if feature not in case.needs or case.problem] == []


@given(ANY_CASE)
def test_arrays_are_a_function_of_the_case(case):
    first, second = fill(case), fill(Case.parse(str(case)))
    assert all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)


@given(ANY_CASE)
def test_arrays_have_the_shapes_and_dtype_of_the_case(case):
    assert {name: array.shape for name, array in fill(case).items()} == case.shapes
    dtypes = {name: "int64" if name in case.family.indexing else case.dtype for name in case.array_names}
    assert {name: array.dtype.name for name, array in fill(case).items()} == dtypes


@given(cases("conv2d", values="integers", dtype="float16"))
def test_integer_sums_are_exact_in_the_dtype(case):
    x, w, g = (magnitudes(case)[name] for name in ("input", "weight", "grad_output"))
    largest = {"output": x * w, "grad_input": g * w, "grad_weight": x * g, "grad_bias": g}
    sums = [case.terms(output) * largest[output] for output in case.outputs]
    assert max(sums) <= DTYPES["float16"].exact or min(x, w, g) == 1


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("conv2d image=257,257 kernel=1,2", {"input": 5, "weight": 1000, "grad_output": 5}),
        ("conv2d channels=1366 image=4 kernel=3,3", {"input": 4, "weight": 4, "grad_output": 1000}),
        ("conv2d image=5,6 kernel=3,3 dtype=float16", {"input": 12, "weight": 17, "grad_output": 12}),
        ("avg_pool2d image=200,201 kernel=20,20", {"input": 1000, "grad_output": 1000}),
    ],
)
def test_what_the_longest_sum_leaves_the_other_arrays_get(text, least):
    assert magnitudes(Case.parse(text)).items() == least.items()


OFTEN_WRONG = {
    "a window wholly in the padding, with a stride": lambda case: any(
        s > 1 and low >= d * (k - 1) + 1 for k, s, (low, _), d in case.geometry
    ),
    "one window along an axis, with a stride": lambda case: any(
        o == 1 < s for o, s in zip(case.output_extents, case.strides, strict=True)
    ),
    "sixteen images": lambda case: case.batch == 16,
}


@pytest.mark.parametrize("what", OFTEN_WRONG)
@pytest.mark.parametrize("operation", ["conv1d", "conv2d", "conv3d"])
def test_the_quick_profile_asks_early_what_released_frameworks_got_wrong(operation, what):
    plan = Plan(operation, "float32", features_of(operation), profile="quick")
    first = itertools.islice(REQUIREMENTS["exact"].cases(plan), 30)
    assert any(OFTEN_WRONG[what](case) for case in first)


@pytest.mark.parametrize("operation", ["max_pool1d", "max_pool2d", "max_pool3d"])
def test_the_quick_profile_has_ties_in_sixteen_images(operation):
    plan = Plan(operation, "float32", features_of(operation), profile="quick")
    assert any(case.values == "ties" and case.batch == 16 for case in REQUIREMENTS["special"].cases(plan))


@pytest.mark.parametrize(("dtype", "itemsize"), [("float32", 4), ("float64", 8)])
@pytest.mark.parametrize(
    ("operation", "array"),
    [("conv2d", "input"), ("conv2d", "weight"), ("conv1d", "grad_output"), ("max_pool3d", "input")],
)
def test_arrays_begin_at_every_place_in_a_line_of_the_cache(operation, array, dtype, itemsize):
    plan = Plan(operation, dtype, features_of(operation), profile="quick")
    offset = [case for case in REQUIREMENTS["layouts"].cases(plan) if f"{array}:offset" in case.layout]
    begun = {fill(case)[array].ctypes.data % 64 for case in offset}
    assert begun == set(range(itemsize, 64, itemsize))


def test_one_channel_that_lies_last_has_the_strides_of_frameworks():
    array = VIEWS["channels_last"](np.arange(12.0).reshape(1, 1, 3, 4), 2)
    assert array.strides == (96, 8, 32, 8)


def test_the_odds_are_those_of_the_numbers_drawn():
    case = Case.parse("conv2d image=257,257 kernel=1,2")
    assert chance(case, small=False) == 1 / 10 + 1 / 10
    assert chance(replace(case, image=(3, 3)), small=True) == 1 / 6 + 1 / 6


@pytest.mark.parametrize("values", ["integers", "small_integers", "large", "tiny"])
@given(data=st.data())
def test_where_few_integers_are_drawn_none_is_0(values, data):
    case = data.draw(cases("conv2d", values=values, layout=""))
    assert all(array.all() for array in fill(case).values() if array.size < FEW)


def test_among_many_integers_some_are_0():
    assert 0 < np.count_nonzero(fill(Case.parse("conv2d image=70,70"))["input"] == 0) < 70


@pytest.mark.parametrize("values", ["integers", "small_integers"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_repeats_numbers_repeats_one_that_is_not_0(view, values):
    case = Case.parse(f"conv2d image=70,70 values={values} layout=input:{view}")
    assert all(fill(replace(case, seed=seed))["input"].any() for seed in range(20))


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_keeps_shape_and_dtype(view):
    array = np.arange(24.0, dtype=np.float32).reshape(2, 1, 3, 4)
    assert VIEWS[view](array, 2).shape == array.shape
    assert VIEWS[view](array, 2).dtype == array.dtype


@pytest.mark.parametrize(
    "view", [view for view in VIEWS if view not in ("broadcast", "expanded", "repeated", "averaged")]
)
def test_a_view_keeps_the_values(view):
    array = np.arange(24.0, dtype=np.float32).reshape(2, 1, 3, 4)
    assert np.array_equal(VIEWS[view](array, 2), array)


@settings(max_examples=200)
@given(cases("max_pool2d", values="integers"))
def test_integers_of_a_max_pooling_are_all_different(case):
    values = fill(case)["input"]
    assert len(np.unique(values)) == values.size


def test_a_hazardous_window_is_recognized():
    assert Case.parse("max_pool2d image=2,4 kernel=2,1 stride=1 padding=1,0 dilation=3,1").hazard


def test_arrays_are_the_same_in_every_process():
    text = "conv2d channels=2 filters=3 image=4,5 kernel=2,2 values=special"
    code = f"from conformance.cases import Case, arrays; print(arrays.fill(Case.parse('{text}')))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout
    assert runs[0].stdout == runs[1].stdout


def test_a_case_of_one_extent_is_written_as_a_number():
    assert str(Case.parse("conv1d image=7 kernel=3 stride=2,")) == "conv1d image=7 kernel=3 stride=2,"


def test_one_extent_stands_for_all_axes():
    assert Case.parse("conv3d image=5 kernel=2") == Case.of("conv3d", image=(5, 5, 5), kernel=(2, 2, 2))


@pytest.mark.parametrize("text", ["conv2d kernel=0", "conv2d image=0", "max_pool1d kernel=0"])
def test_an_extent_of_0_is_refused_and_no_default(text):
    assert Case.parse(text).problem
