"""What PyTorch refuses is refused, and the message says the value, the rule and the shapes."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import npcnn
from npcnn import avg_pool2d, avg_pool2d_backward, conv2d, conv2d_backward, max_pool2d, max_pool2d_backward


def ones(*shape: int, dtype: Any = np.float32) -> Any:
    return np.ones(shape, dtype)


FLOATS = "float16, bfloat16, float32, float64"
NUMBERS = f"{FLOATS}, complex64, complex128"
X, W, B = ones(1, 2, 5, 6), ones(4, 2, 3, 3), ones(4)

CONV: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"input": [[1.0]]}, TypeError, "input is list but must be a NumPy array"),
    ({"input": X.astype(bool)}, TypeError, f"input is bool but must be one of {NUMBERS}"),
    ({"input": X.astype(int)}, TypeError, f"input is int64 but must be one of {NUMBERS}"),
    ({"weight": None}, TypeError, "weight is NoneType but must be a NumPy array"),
    ({"weight": W.astype(float)}, TypeError, "weight is float64 but input is float32"),
    ({"bias": B.astype(float)}, TypeError, "bias is float64 but input is float32"),
    ({"bias": 1.0}, TypeError, "bias is float but must be a NumPy array"),
    ({"input": ones(5, 6)}, ValueError, "input must be (N, C, H, W) or (C, H, W) (got (5, 6))"),
    ({"input": ones(1, 2, 0, 6)}, ValueError, "input must not be empty but in N (got (1, 2, 0, 6))"),
    ({"input": ones(1, 0, 5, 6)}, ValueError, "input must not be empty but in N (got (1, 0, 5, 6))"),
    ({"weight": ones(4, 2, 3)}, ValueError, "weight must be (K, C/G, R, S), none of them 0 (got (4, 2, 3))"),
    (
        {"weight": ones(0, 2, 3, 3)},
        ValueError,
        "weight must be (K, C/G, R, S), none of them 0 (got (0, 2, 3, 3))",
    ),
    (
        {"weight": ones(4, 2, 0, 3)},
        ValueError,
        "weight must be (K, C/G, R, S), none of them 0 (got (4, 2, 0, 3))",
    ),
    ({"bias": ones(1)}, ValueError, "bias must be one number per filter (bias (1,), weight (4, 2, 3, 3))"),
    (
        {"bias": ones(4, 1)},
        ValueError,
        "bias must be one number per filter (bias (4, 1), weight (4, 2, 3, 3))",
    ),
    (
        {"groups": 2},
        ValueError,
        (
            "input has 2 channels but weight expects 2 per group x 2 groups "
            "(input (1, 2, 5, 6), weight (4, 2, 3, 3))"
        ),
    ),
    (
        {"groups": 3},
        ValueError,
        "groups=3 must be at least 1 and divide the filters (weight (4, 2, 3, 3))",
    ),
    ({"groups": 0}, ValueError, "groups=0 must be at least 1 and divide the filters (weight (4, 2, 3, 3))"),
    ({"groups": -1}, ValueError, "groups=-1 must be at least 1 and divide the filters (weight (4, 2, 3, 3))"),
    ({"groups": True}, TypeError, "groups=True must be an int"),
    ({"groups": 1.0}, TypeError, "groups=1.0 must be an int"),
    ({"groups": (1,)}, TypeError, "groups=(1,) must be an int"),
    ({"groups": None}, TypeError, "groups=None must be an int"),
    ({"stride": 0}, ValueError, "stride=0 must be at least 1"),
    ({"stride": (1, -2)}, ValueError, "stride=(1, -2) must be at least 1"),
    ({"stride": (1, 2, 3)}, ValueError, "stride=(1, 2, 3) must be an int or a pair of ints"),
    ({"stride": ()}, ValueError, "stride=() must be an int or a pair of ints"),
    ({"stride": True}, TypeError, "stride=True must be an int or a pair of ints"),
    ({"stride": (True, 1)}, TypeError, "stride=(True, 1) must be an int or a pair of ints"),
    ({"stride": 1.0}, TypeError, "stride=1.0 must be an int or a pair of ints"),
    ({"stride": None}, TypeError, "stride=None must be an int or a pair of ints"),
    ({"stride": "1"}, TypeError, "stride='1' must be an int or a pair of ints"),
    ({"stride": np.array([1, 1])}, TypeError, "stride=array([1, 1]) must be an int or a pair of ints"),
    ({"dilation": 0}, ValueError, "dilation=0 must be at least 1"),
    ({"padding": -1}, ValueError, "padding=-1 must be at least 0"),
    ({"padding": 0.5}, TypeError, "padding=0.5 must be an int or a pair of ints"),
    (
        {"padding": "SAME"},
        ValueError,
        "padding='SAME' must be an int, a pair of ints, 'same' or 'valid'",
    ),
    ({"padding": "same", "stride": 2}, ValueError, "padding='same' needs stride 1 (got stride=2)"),
    (
        {"dilation": (1, 3)},
        ValueError,
        (
            "the filter reaches over 7 pixels but the padded image has 6 "
            "(input (1, 2, 5, 6), weight (4, 2, 3, 3), dilation=(1, 3), padding=0)"
        ),
    ),
    (
        {"input": ones(0, 2, 2, 6)},
        ValueError,
        (
            "the filter reaches over 3 pixels but the padded image has 2 "
            "(input (0, 2, 2, 6), weight (4, 2, 3, 3), dilation=1, padding=0)"
        ),
    ),
]


@pytest.mark.parametrize(("change", "error", "message"), CONV)
def test_conv2d_says_what_it_refuses(change, error, message):
    arguments = {"input": X, "weight": W, "bias": B} | change
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        conv2d(**arguments)


@pytest.mark.parametrize(("change", "error", "message"), CONV)
def test_conv2d_backward_says_what_it_refuses(change, error, message):
    arguments = {"grad_output": ones(1, 4, 3, 4), "input": X, "weight": W, "bias": B} | change
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        conv2d_backward(**arguments)


def as_tensor(torch: Any, value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


# PyTorch convolves integers, too, and gives no channels for none
OURS = ("input is bool", "input is int", "input must not be empty but in N (got (1, 0,")


@pytest.mark.parametrize("change", [change for change, _, message in CONV if not message.startswith(OURS)])
def test_pytorch_refuses_a_convolution_too(change):
    torch = pytest.importorskip("torch")
    arguments = {"input": X, "weight": W, "bias": B} | change
    arrays = {name: as_tensor(torch, arguments.pop(name)) for name in ("input", "weight", "bias")}
    with pytest.raises((RuntimeError, TypeError)):
        torch.nn.functional.conv2d(**arrays, **arguments)


POOL: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"input": 1.0}, TypeError, "input is float but must be a NumPy array"),
    ({"input": ones(5, 6)}, ValueError, "input must be (N, C, H, W) or (C, H, W) (got (5, 6))"),
    ({"input": ones(1, 2, 5, 0)}, ValueError, "input must not be empty but in N (got (1, 2, 5, 0))"),
    ({"kernel_size": 0}, ValueError, "kernel_size=0 must be at least 1"),
    ({"kernel_size": (2, -1)}, ValueError, "kernel_size=(2, -1) must be at least 1"),
    ({"kernel_size": (2, 2, 2)}, ValueError, "kernel_size=(2, 2, 2) must be an int or a pair of ints"),
    ({"kernel_size": None}, TypeError, "kernel_size=None must be an int or a pair of ints"),
    ({"kernel_size": 2.0}, TypeError, "kernel_size=2.0 must be an int or a pair of ints"),
    ({"kernel_size": True}, TypeError, "kernel_size=True must be an int or a pair of ints"),
    ({"stride": 0}, ValueError, "stride=0 must be at least 1"),
    ({"stride": "2"}, TypeError, "stride='2' must be an int or a pair of ints"),
    ({"padding": -1}, ValueError, "padding=-1 must be at least 0"),
    ({"padding": (1, 2)}, ValueError, "padding=(1, 2) must be at most half of kernel_size=2"),
    ({"ceil_mode": 1}, TypeError, "ceil_mode=1 must be True or False"),
    ({"ceil_mode": None}, TypeError, "ceil_mode=None must be True or False"),
    (
        {"kernel_size": (2, 7)},
        ValueError,
        "kernel_size=(2, 7) at dilation=1 is larger than the padded image (input (1, 2, 5, 6), padding=0)",
    ),
    (
        {"input": ones(0, 2, 1, 6)},
        ValueError,
        "kernel_size=2 at dilation=1 is larger than the padded image (input (0, 2, 1, 6), padding=0)",
    ),
]
MAX = [
    *POOL,
    ({"dilation": 0}, ValueError, "dilation=0 must be at least 1"),
    (
        {"dilation": (5, 1)},
        ValueError,
        "kernel_size=2 at dilation=(5, 1) is larger than the padded image (input (1, 2, 5, 6), padding=0)",
    ),
]
AVG = [
    *POOL,
    ({"input": ones(1, 2, 5, 6, dtype=int)}, TypeError, f"input is int64 but must be one of {FLOATS}"),
    ({"count_include_pad": 0}, TypeError, "count_include_pad=0 must be True or False"),
    ({"divisor_override": 0}, ValueError, "divisor_override=0 must not be 0"),
    ({"divisor_override": 2.0}, TypeError, "divisor_override=2.0 must be an int or None"),
    ({"divisor_override": True}, TypeError, "divisor_override=True must be an int or None"),
]


@pytest.mark.parametrize(
    ("pool", "change", "error", "message"),
    [
        *((max_pool2d, *row) for row in MAX),
        *((avg_pool2d, *row) for row in AVG),
        (max_pool2d, {"return_indices": 1}, TypeError, "return_indices=1 must be True or False"),
    ],
)
def test_a_pool_says_what_it_refuses(pool, change, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        pool(**({"input": X, "kernel_size": 2} | change))


@pytest.mark.parametrize(
    ("backward", "change", "error", "message"),
    [*((max_pool2d_backward, *row) for row in MAX), *((avg_pool2d_backward, *row) for row in AVG)],
)
def test_the_gradient_of_a_pool_says_what_it_refuses(backward, change, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        backward(**({"grad_output": ones(1, 2, 2, 3), "input": X, "kernel_size": 2} | change))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *(("max_pool2d", change) for change, *_ in MAX[1:]),
        # PyTorch averages int64
        *(
            ("avg_pool2d", change)
            for change, *_ in AVG[1:]
            if getattr(change.get("input"), "dtype", None) != np.int64
        ),
    ],
)
def test_pytorch_refuses_a_pool_too(name, change):
    torch = pytest.importorskip("torch")
    arguments = {"input": X, "kernel_size": 2} | change
    pool = getattr(torch.nn.functional, name)
    with pytest.raises((RuntimeError, TypeError, IndexError)):
        pool(torch.from_numpy(arguments.pop("input")), **arguments)


@pytest.mark.parametrize("dtype", [bool, complex])
def test_max_pool2d_refuses_what_has_no_order_of_numbers(dtype):
    with pytest.raises(TypeError, match=f"^input is {np.dtype(dtype)} but must be one of {FLOATS}, int8"):
        max_pool2d(ones(1, 2, 4, 4, dtype=dtype), 2)


MISSED = (
    "a window of kernel_size=2, dilation=3, padding=1 misses the image, so that its maximum has no place "
    "(input (1, 2, 2))"
)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, **options: max_pool2d(x, 2, return_indices=True, **options),
        lambda x, **options: max_pool2d_backward(ones(1, 1, 1), x, 2, **options),
    ],
)
def test_the_place_of_a_maximum_of_nothing_is_refused(call):
    with pytest.raises(ValueError, match=f"^{re.escape(MISSED)}$"):
        call(ones(1, 2, 2), padding=1, dilation=3)


BACKWARD = SimpleNamespace(
    conv2d=lambda g: conv2d_backward(g, X, W, B),
    max_pool2d=lambda g: max_pool2d_backward(g, X, (3, 3), stride=1),
    avg_pool2d=lambda g: avg_pool2d_backward(g, X, (3, 3), stride=1),
)
SHAPES = {
    "conv2d": ((1, 4, 3, 4), "input (1, 2, 5, 6), weight (4, 2, 3, 3)"),
    "max_pool2d": ((1, 2, 3, 4), "input (1, 2, 5, 6), kernel_size=(3, 3)"),
    "avg_pool2d": ((1, 2, 3, 4), "input (1, 2, 5, 6), kernel_size=(3, 3)"),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("got", [(1, 2, 3, 3), (2, 3, 4), (1, 1, 1, 1), ()])
def test_a_gradient_of_another_shape_than_the_output_is_refused(name, got):
    shape, origin = SHAPES[name]
    message = f"grad_output must have the output's shape {shape} (got {got}, {origin})"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        getattr(BACKWARD, name)(ones(*got))


@pytest.mark.parametrize("name", SHAPES)
def test_a_gradient_of_another_dtype_is_refused(name):
    with pytest.raises(TypeError, match=r"^grad_output is float64 but input is float32$"):
        getattr(BACKWARD, name)(ones(*SHAPES[name][0], dtype=np.float64))


@pytest.mark.parametrize("name", SHAPES)
def test_a_gradient_that_is_no_array_is_refused(name):
    with pytest.raises(TypeError, match=r"^grad_output is float but must be a NumPy array$"):
        getattr(BACKWARD, name)(1.0)


@pytest.mark.parametrize("option", [2, np.int64(2), np.uint8(2), (2,), [2], (2, 2), [2, 2], (np.int32(2), 2)])
@pytest.mark.parametrize("name", ["stride", "dilation", "padding"])
def test_an_option_may_be_an_int_or_a_tuple_or_a_list(name, option):
    options: dict[str, Any] = {name: option}
    pairs: dict[str, Any] = {name: (2, 2)}
    np.testing.assert_array_equal(conv2d(X, W, **options), conv2d(X, W, **pairs))


def test_options_go_by_keyword_only():
    convolve: Any = conv2d
    with pytest.raises(TypeError, match="positional"):
        convolve(X, W, B, 2)


TRANSPOSE: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"input": ones(5, 6)}, ValueError, "input must be (N, C, H, W) or (C, H, W) (got (5, 6))"),
    ({"weight": ones(2, 3, 3)}, ValueError, "weight must be (C, K/G, R, S), none of them 0 (got (2, 3, 3))"),
    (
        {"weight": ones(3, 2, 3, 3)},
        ValueError,
        "input has 2 channels but weight expects 3 (input (1, 2, 5, 6), weight (3, 2, 3, 3))",
    ),
    (
        {"groups": 3},
        ValueError,
        "groups=3 must be at least 1 and divide the channels (weight (2, 4, 3, 3))",
    ),
    (
        {"groups": 2},
        ValueError,
        "bias must be one number per channel of the output, 4 per group x 2 groups (bias (4,), weight (2, 4, 3, 3))",
    ),
    ({"stride": 0}, ValueError, "stride=0 must be at least 1"),
    ({"padding": -1}, ValueError, "padding=-1 must be at least 0"),
    ({"padding": "same"}, TypeError, "padding='same' must be an int or a pair of ints"),
    ({"output_padding": -1}, ValueError, "output_padding=-1 must be at least 0"),
    (
        {"output_padding": (0, 2), "stride": (3, 2)},
        ValueError,
        "output_padding=(0, 2) must be less than stride=(3, 2) or dilation=1",
    ),
    (
        {"padding": (1, 5)},
        ValueError,
        (
            "the output would have -2 pixels along an axis (input (1, 2, 5, 6), weight (2, 4, 3, 3), "
            "stride=1, padding=(1, 5), dilation=1)"
        ),
    ),
]


@pytest.mark.parametrize(("change", "error", "message"), TRANSPOSE)
def test_conv_transpose2d_and_its_gradient_say_what_they_refuse(change, error, message):
    arguments = {"input": X, "weight": ones(2, 4, 3, 3), "bias": B} | change
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        npcnn.conv_transpose2d(**arguments)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        npcnn.conv_transpose2d_backward(grad_output=ones(1, 4, 7, 8), **arguments)


@pytest.mark.parametrize("change", [change for change, *_ in TRANSPOSE])
def test_pytorch_refuses_a_transposed_convolution_too(change):
    torch = pytest.importorskip("torch")
    arguments = {"input": X, "weight": ones(2, 4, 3, 3), "bias": B} | change
    arrays = {name: as_tensor(torch, arguments.pop(name)) for name in ("input", "weight", "bias")}
    with pytest.raises((RuntimeError, TypeError)):
        torch.nn.functional.conv_transpose2d(**arrays, **arguments)


# (function, its arguments, error, message): what is worded by the number of axes, and other pools
WORDED: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("conv1d", (ones(5), ones(1, 1, 1)), {}, ValueError, "input must be (N, C, W) or (C, W) (got (5,))"),
    (
        "conv1d",
        (ones(1, 5), ones(1, 1)),
        {},
        ValueError,
        "weight must be (K, C/G, S), none of them 0 (got (1, 1))",
    ),
    (
        "conv1d",
        (ones(1, 5), ones(1, 1, 1)),
        {"stride": (1, 1)},
        ValueError,
        "stride=(1, 1) must be an int or a tuple of one",
    ),
    (
        "conv3d",
        (ones(5, 6), ones(1, 1, 1, 1, 1)),
        {},
        ValueError,
        "input must be (N, C, D, H, W) or (C, D, H, W) (got (5, 6))",
    ),
    (
        "conv3d",
        (ones(1, 2, 2, 2), ones(1, 1, 1)),
        {},
        ValueError,
        "weight must be (K, C/G, T, R, S), none of them 0 (got (1, 1, 1))",
    ),
    (
        "conv3d",
        (ones(1, 2, 2, 2), ones(1, 1, 1, 1, 1)),
        {"padding": "full"},
        ValueError,
        "padding='full' must be an int, three ints, 'same' or 'valid'",
    ),
    (
        "max_pool3d",
        (ones(1, 2, 2, 2), (2, 2)),
        {},
        ValueError,
        "kernel_size=(2, 2) must be an int or three ints",
    ),
    (
        "adaptive_avg_pool1d",
        (ones(1, 5), None),
        {},
        TypeError,
        "output_size=None must be an int or a tuple of one",
    ),
    (
        "adaptive_avg_pool2d",
        (X, (1, 2.0)),
        {},
        TypeError,
        "output_size=(1, 2.0) must be an int or a pair of ints, of which some may be None",
    ),
    (
        "adaptive_max_pool2d",
        (X, (1,)),
        {},
        ValueError,
        "output_size=(1,) must be an int or a pair of ints, of which some may be None",
    ),
    ("adaptive_max_pool2d", (X, (1, -1)), {}, ValueError, "output_size=(1, -1) must be at least 0"),
    (
        "adaptive_max_pool2d",
        (X, True),
        {},
        TypeError,
        "output_size=True must be an int or a pair of ints, of which some may be None",
    ),
    (
        "adaptive_avg_pool2d",
        (X.astype(int), 1),
        {},
        TypeError,
        f"input is int64 but must be one of {FLOATS}",
    ),
    (
        "adaptive_max_pool2d",
        (ones(5, 6), 1),
        {},
        ValueError,
        "input must be (N, C, H, W) or (C, H, W) (got (5, 6))",
    ),
    ("lp_pool2d", (X, 0, 2), {}, ValueError, "norm_type=0 must not be 0"),
    ("lp_pool2d", (X, "2", 2), {}, TypeError, "norm_type='2' must be a number"),
    ("lp_pool2d", (X, 2, 0), {}, ValueError, "kernel_size=0 must be at least 1"),
    (
        "lp_pool2d",
        (X, 2, 7),
        {},
        ValueError,
        "kernel_size=7 at dilation=1 is larger than the padded image (input (1, 2, 5, 6), padding=0)",
    ),
    ("lp_pool2d", (X, 2, 2), {"ceil_mode": 1}, TypeError, "ceil_mode=1 must be True or False"),
    (
        "max_unpool1d",
        (ones(1, 2), ones(1, 2), 2),
        {},
        TypeError,
        "indices is float32 but must be one of int64",
    ),
    (
        "max_unpool1d",
        (ones(1, 2), ones(1, 3, dtype=int), 2),
        {},
        ValueError,
        "indices must have input's shape (1, 2) (got (1, 3))",
    ),
    (
        "max_unpool1d",
        (ones(1, 2), np.array([[0, 4]]), 2),
        {},
        ValueError,
        "indices has 4 but the output has 4 places, (4,)",
    ),
    (
        "max_unpool2d",
        (ones(1, 1, 1), np.array([[[-1]]]), 2),
        {},
        ValueError,
        "indices has -1 but the output has 4 places, (2, 2)",
    ),
    (
        "max_unpool1d",
        (ones(1, 2), ones(1, 2, dtype=int), 2),
        {"output_size": (6,)},
        ValueError,
        "output_size=(6,) must be less than a stride (2,) away from (4,)",
    ),
    (
        "max_unpool2d",
        (ones(1, 2, 2), ones(1, 2, 2, dtype=int), 2),
        {"output_size": (5, 5, 5)},
        ValueError,
        "output_size=(5, 5, 5) must be a pair of ints, or 4 with N and C",
    ),
    (
        "max_unpool2d",
        (ones(1, 2, 2), ones(1, 2, 2, dtype=int), 2),
        {"stride": (1,)},
        ValueError,
        "stride=(1,) must be an int or a pair of ints",
    ),
    (
        "max_unpool2d",
        (ones(1, 2, 2), ones(1, 2, 2, dtype=int), 2),
        {"output_size": 5},
        TypeError,
        "output_size=5 must be a pair of ints, or 4 with N and C",
    ),
    (
        "max_unpool1d",
        (ones(1, 1), np.zeros((1, 1), int), 1),
        {"padding": 1},
        ValueError,
        "the output would have the extents (-1,) (input (1, 1), padding=1)",
    ),
]


@pytest.mark.parametrize(("name", "given", "options", "error", "message"), WORDED)
def test_a_function_and_its_gradient_say_what_they_refuse(name, given, options, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        getattr(npcnn, name)(*given, **options)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        getattr(npcnn, f"{name}_backward")(given[0], *given, **options)


@pytest.mark.parametrize(("name", "given", "options"), [row[:3] for row in WORDED])
def test_pytorch_refuses_it_too(name, given, options):
    torch = pytest.importorskip("torch")
    with pytest.raises((RuntimeError, TypeError, ValueError, ZeroDivisionError, IndexError)):
        getattr(torch.nn.functional, name)(*[as_tensor(torch, a) for a in given], **options)


GRADIENTS: dict[str, tuple[tuple[Any, ...], str]] = {
    "conv_transpose1d": ((ones(1, 2, 5), ones(2, 3, 3)), "input (1, 2, 5), weight (2, 3, 3)"),
    "adaptive_avg_pool1d": ((ones(1, 2, 5), 3), "input (1, 2, 5), output_size=3"),
    "adaptive_max_pool1d": ((ones(1, 2, 5), 3), "input (1, 2, 5), output_size=3"),
    "lp_pool1d": ((ones(1, 2, 5), 2, 2), "input (1, 2, 5), kernel_size=2"),
    "max_unpool1d": ((ones(1, 2, 5), np.zeros((1, 2, 5), int), 2), "input (1, 2, 5), kernel_size=2"),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_a_gradient_of_another_shape_or_dtype_is_refused(name):
    given, origin = GRADIENTS[name]
    shape, backward = getattr(npcnn, name)(*given).shape, getattr(npcnn, f"{name}_backward")
    message = f"grad_output must have the output's shape {shape} (got (1, 1), {origin})"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        backward(ones(1, 1), *given)
    with pytest.raises(TypeError, match=r"^grad_output is float64 but input is float32$"):
        backward(ones(*shape, dtype=float), *given)
