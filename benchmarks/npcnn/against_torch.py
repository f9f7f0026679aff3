"""npcnn against PyTorch on the CPU, side by side: the layers of real networks, float32.

    python benchmarks/npcnn/against_torch.py [--threads 1|2] [--batch 8 1] [--only resnet,pool] [--json]

Each ratio is the median time of npcnn over the median time of PyTorch, the two called in turn, so that a busy
machine slows both. On one thread the time is the processor's own, of which a busy machine takes none, and
neither finds its arrays in the cache; on more, where each is called for a while before it counts, both do.
`step` is forward and all gradients; `memory` is what a call allocates beyond its answer, as a share of 1.25
times its arguments and answer plus 16 MiB.
"""

import argparse
import json
import math
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

BLAS = {
    "OPENBLAS_NUM_THREADS": "1"
}  # npcnn's own threads, OMP_NUM_THREADS of them, serve it better than BLAS's


SETTLING = 0.03  # seconds, with more than one thread: PyTorch's were seen to wait for 7 to 10 ms after a call


Size = int | tuple[int, ...]
"""Of all axes alike, or of each."""


class Conv(NamedTuple):
    network: str
    channels: int
    size: Size
    filters: int
    kernel: Size
    stride: Size = 1
    padding: Size = 0
    groups: int = 1
    dilation: int = 1
    operation: str = "conv2d"

    @property
    def dims(self) -> int:
        return int(self.operation[-2])

    def of_axes(self, size: Size) -> tuple[int, ...]:
        return size if isinstance(size, tuple) else (size,) * self.dims

    def __str__(self) -> str:
        text = f"{self.network} {self.channels}x{by(self.of_axes(self.size))} -> {self.filters} k{by(self.kernel)}"
        named: tuple[tuple[str, Size, int], ...] = (
            ("s", self.stride, 1),
            ("p", self.padding, 0),
            ("g", self.groups, 1),
            ("d", self.dilation, 1),
        )
        return text + "".join(f" {name}{by(value)}" for name, value, plain in named if value != plain)


def by(size: Size) -> str:
    return "x".join(map(str, size)) if isinstance(size, tuple) else str(size)


class Pool(NamedTuple):
    network: str
    kind: str
    channels: int
    size: int
    kernel: int
    stride: int
    padding: int

    def __str__(self) -> str:
        size = f"{self.channels}x{self.size}x{self.size}"
        return f"pool {self.kind} {size} k{self.kernel} s{self.stride} p{self.padding}"


def resnet50() -> Iterator[Conv]:
    yield Conv("resnet", 3, 224, 64, 7, 2, 3)
    wide, size = 64, 56
    for stage, width in enumerate((64, 128, 256, 512)):
        stride = 1 if stage == 0 else 2
        yield Conv("resnet", wide, size, width, 1)
        if stage:
            yield Conv("resnet", width, size, width, 3, 2, 1)
        yield Conv("resnet", wide, size, 4 * width, 1, stride)
        wide, size = 4 * width, size // stride
        yield Conv("resnet", width, size, width, 3, 1, 1)
        yield Conv("resnet", width, size, wide, 1)
        yield Conv("resnet", wide, size, width, 1)


def vgg16() -> Iterator[Conv]:
    widths = ((3, 64, 224), (64, 64, 224), (64, 128, 112), (128, 128, 112), (128, 256, 56), (256, 256, 56))
    for channels, filters, size in (*widths, (256, 512, 28), (512, 512, 28), (512, 512, 14)):
        yield Conv("vgg", channels, size, filters, 3, 1, 1)


def mobilenet2() -> Iterator[Conv]:
    yield Conv("mobilenet", 3, 224, 32, 3, 2, 1)
    blocks = (
        (32, 1, 16, 1),
        (16, 6, 24, 2),
        (24, 6, 32, 2),
        (32, 6, 64, 2),
        (64, 6, 96, 1),
        (96, 6, 160, 2),
        (160, 6, 320, 1),
    )
    size = 112
    for channels, expand, filters, stride in blocks:
        inner = channels * expand
        if expand > 1:
            yield Conv("mobilenet", channels, size, inner, 1)
        yield Conv("mobilenet", inner, size, inner, 3, stride, 1, inner)
        size //= stride
        yield Conv("mobilenet", inner, size, filters, 1)
    yield Conv("mobilenet", 320, 7, 1280, 1)


def lenet5() -> Iterator[Conv]:
    yield Conv("lenet", 1, 32, 6, 5)
    yield Conv("lenet", 6, 14, 16, 5)
    yield Conv("lenet", 16, 5, 120, 5)


def others() -> Iterator[Conv | Pool]:
    yield Conv("depthwise", 64, 56, 64, 3, 1, 1, 64)
    yield Conv("depthwise", 256, 28, 256, 3, 2, 1, 256)
    yield Conv("dilated", 256, 28, 256, 3, 1, 2, 1, 2)
    yield Conv("tiny", 1, 5, 1, 3)
    for kind in ("max", "avg"):
        yield Pool("pool", kind, 64, 112, 3, 2, 1)
        yield Pool("pool", kind, 64, 112, 2, 2, 0)
        yield Pool("pool", kind, 256, 28, 2, 2, 0)


def over_one_axis() -> Iterator[Conv]:
    """Of wav2vec 2.0, M5, WaveNet, Conformer."""
    for channels, size, filters, kernel, stride in (
        (1, 16_000, 512, 10, 5),
        (512, 3199, 512, 3, 2),
        (512, 199, 512, 2, 2),
        (1, 8000, 128, 80, 4),
        (128, 499, 128, 3, 1),
    ):
        yield Conv("1-d", channels, size, filters, kernel, stride, operation="conv1d")
    yield Conv("1-d", 64, 4000, 128, 2, dilation=16, operation="conv1d")
    yield Conv("1-d", 256, 400, 256, 31, 1, 15, 256, operation="conv1d")


def over_three_axes() -> Iterator[Conv]:
    """Of C3D, ResNet 3D and (2+1)D, SlowFast, a 3-d U-Net."""
    for channels, size, filters, kernel, stride, padding in (
        (3, (8, 56, 56), 64, 3, 1, 1),
        (64, (4, 56, 56), 64, 3, 1, 1),
        (64, (4, 56, 56), 144, (1, 3, 3), 1, (0, 1, 1)),
        (144, (4, 28, 28), 64, (3, 1, 1), 1, (1, 0, 0)),
        (128, (4, 28, 28), 256, 3, 2, 1),
        (64, (4, 28, 28), 256, 1, 1, 0),
        (32, (16, 16, 16), 64, 3, 1, 1),
    ):
        yield Conv("3-d", channels, size, filters, kernel, stride, padding, operation="conv3d")


def turned_round() -> Iterator[Conv]:
    """Of DCGAN, U-Net, a decoder of outlines, HiFi-GAN, a 3-d U-Net."""
    for channels, size, filters, kernel, stride, padding in (
        (512, 4, 256, 4, 2, 1),
        (128, 16, 64, 4, 2, 1),
        (64, 32, 3, 4, 2, 1),
        (128, 56, 64, 2, 2, 0),
        (64, 56, 64, 3, 1, 1),
    ):
        yield Conv(
            "transposed", channels, size, filters, kernel, stride, padding, operation="conv_transpose2d"
        )
    for channels, size, filters in ((512, 32, 256), (256, 256, 128)):
        yield Conv("transposed", channels, size, filters, 16, 8, 4, operation="conv_transpose1d")
    yield Conv("transposed", 64, 8, 32, 2, 2, operation="conv_transpose3d")


NETWORKS = ("resnet", "vgg", "mobilenet", "lenet")
GROUPS = (*NETWORKS, "1-d", "3-d", "transposed", "pool")


def conv_calls(layer: Conv, batch: int) -> Any:
    """{measure: (npcnn's call, PyTorch's call)} and the arrays that the calls read."""
    import numpy as np
    import torch

    import npcnn
    from npcnn import conv, conv_transpose
    from npcnn.products import correlate, transposed, weight_gradient
    from npcnn.threads import each

    rng = np.random.default_rng(0)
    turned = "transpose" in layer.operation
    n, c = (1 if layer.network == "tiny" else batch), layer.channels
    pair = (layer.filters, c) if not turned else (c, layer.filters)
    x = rng.standard_normal((n, c, *layer.of_axes(layer.size)), np.float32)
    w = rng.standard_normal((pair[0], pair[1] // layer.groups, *layer.of_axes(layer.kernel)), np.float32)
    b = rng.standard_normal(layer.filters, np.float32)
    geometry = [layer.of_axes(size) for size in (layer.stride, layer.padding, layer.dilation)]
    options: dict[str, Any] = dict(zip(("stride", "padding", "dilation"), geometry, strict=True))
    options["groups"] = layer.groups
    tx, tw, tb = (torch.from_numpy(a) for a in (x, w, b))
    leaves = [t.clone().requires_grad_() for t in (tx, tw, tb)]
    forward, backward = (getattr(npcnn, f"{layer.operation}{end}") for end in ("", "_backward"))
    torch_forward = getattr(torch.nn.functional, layer.operation)
    g = rng.standard_normal(forward(x, w, b, **options).shape, np.float32)
    tg = torch.from_numpy(g)
    checked = options | {"output_padding": 0} if turned else options
    images, filters, axes = (conv_transpose if turned else conv)._check(layer.dims, x, w, b, **checked)
    gradient = conv.split(g, layer.groups)
    of_input, of_weight = (correlate, (images, gradient)) if turned else (transposed, (gradient, images))

    def torch_gradient(*mask: bool) -> Any:
        return torch.ops.aten.convolution_backward(
            tg, tx, tw, [len(b)], *geometry, turned, [0] * layer.dims, layer.groups, list(mask)
        )

    calls = {
        "forward": (lambda: forward(x, w, b, **options), lambda: torch_forward(tx, tw, tb, **options)),
        "grad_input": (
            lambda: each(of_input(gradient, filters, axes, np.zeros_like(images))),
            lambda: torch_gradient(True, False, False),
        ),
        "grad_weight": (
            lambda: sum(each(weight_gradient(*of_weight, axes))),
            lambda: torch_gradient(False, True, False),
        ),
        "step": (
            lambda: (forward(x, w, b, **options), backward(g, x, w, b, **options)),
            lambda: torch.autograd.grad(torch_forward(*leaves, **options), leaves, tg),
        ),
    }
    return calls, (x, w, b, g)


def pool_calls(layer: Pool, batch: int) -> Any:
    import numpy as np
    import torch

    import npcnn

    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, layer.channels, layer.size, layer.size), np.float32)
    forward, backward = (getattr(npcnn, f"{layer.kind}_pool2d{end}") for end in ("", "_backward"))
    torch_forward = getattr(torch.nn.functional, f"{layer.kind}_pool2d")
    options = {"stride": layer.stride, "padding": layer.padding}
    g = rng.standard_normal(forward(x, layer.kernel, **options).shape, np.float32)
    tx, tg = torch.from_numpy(x), torch.from_numpy(g)
    leaf = tx.clone().requires_grad_()
    output = torch_forward(leaf, layer.kernel, **options)
    calls = {
        "forward": (
            lambda: forward(x, layer.kernel, **options),
            lambda: torch_forward(tx, layer.kernel, **options),
        ),
        "grad_input": (
            lambda: backward(g, x, layer.kernel, **options),
            lambda: torch.autograd.grad(output, leaf, tg, retain_graph=True),
        ),
        "step": (
            lambda: (forward(x, layer.kernel, **options), backward(g, x, layer.kernel, **options)),
            lambda: torch.autograd.grad(torch_forward(leaf, layer.kernel, **options), leaf, tg),
        ),
    }
    return calls, (x, g)


def in_turn(
    one: Callable[[], Any], other: Callable[[], Any], seconds: float, settling: float
) -> tuple[float, float]:
    """Median times of two calls made in turn for about so many seconds.

    settling   seconds of calls at each turn that do not count, then as many that do: after a call, PyTorch's
               threads wait for more work with the processor in their hands, and would take it from the other;
               where there is none, the time that the process has of a processor is measured
    """
    clock = time.perf_counter if settling else time.process_time
    times: tuple[list[float], list[float]] = ([], [])
    one(), other()
    end = time.perf_counter() + seconds
    for turn in range(201):
        if turn >= 3 and time.perf_counter() > end:
            break
        for call, spent in zip((one, other), times, strict=True):
            settled = time.perf_counter() + settling
            while time.perf_counter() < settled:
                call()
            counted = 0.0
            while counted < settling or not counted:
                start = clock()
                call()
                spent.append(clock() - start)
                counted += spent[-1]
    return tuple(sorted(spent)[len(spent) // 2] for spent in times)  # type: ignore[return-value]


def memory(call: Callable[[], Any], arrays: Any) -> float:
    """What a call allocates beyond its answer, as a share of what it may."""
    tracemalloc.start()
    answer = call()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del answer
    return (peak - after) / (1.25 * (sum(a.nbytes for a in arrays) + after) + (16 << 20))


def measure(layer: Conv | Pool, batch: int, seconds: float, settling: float) -> dict[str, Any]:
    calls, arrays = (conv_calls if isinstance(layer, Conv) else pool_calls)(layer, batch)
    row: dict[str, Any] = {"layer": str(layer), "batch": batch, "network": layer.network}
    for name, (ours, theirs) in calls.items():
        mine, their = in_turn(ours, theirs, seconds, settling)
        row |= {name: mine / their, f"{name}_ms": mine * 1e3, f"{name}_torch_ms": their * 1e3}
    row["memory"] = max(memory(calls[name][0], arrays) for name in ("forward", "step"))
    return row


COLUMNS = ("forward", "grad_input", "grad_weight", "step", "memory")


def line(row: dict[str, Any]) -> str:
    numbers = "".join(f"{row[name]:12.2f}" if name in row else " " * 12 for name in COLUMNS)
    return f"{row['layer']:45}{row['batch']:6}{numbers}{row['forward_ms']:12.2f}{row['step_ms']:12.2f}"


def mean(rows: list[dict[str, Any]], name: str) -> float:
    return math.exp(sum(math.log(row[name]) for row in rows) / len(rows))


def summary(rows: list[dict[str, Any]]) -> Iterator[str]:
    groups = [(name, [row for row in rows if row["network"] == name]) for name in GROUPS]
    groups.append(("networks", [row for row in rows if row["network"] in NETWORKS]))
    for name, some in groups:
        if some:
            parts = (f"{column} {mean(some, column):.2f}" for column in COLUMNS[:4] if column in some[0])
            worst = max(max(row["forward"], row["step"]) for row in some)
            yield f"{name:12} geometric mean of {len(some):3}: {'  '.join(parts)}; worst {worst:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 1])
    parser.add_argument("--only", default="", help="parts of layer names, separated by commas")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each measure")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    environment = BLAS | {"OMP_NUM_THREADS": str(arguments.threads)}
    if environment.items() - os.environ.items():  # BLAS reads them when NumPy is imported
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | environment)
    import torch

    torch.set_num_threads(arguments.threads)
    layers: list[Conv | Pool] = [*resnet50(), *vgg16(), *mobilenet2(), *lenet5(), *others()]
    layers += [*over_one_axis(), *over_three_axes(), *turned_round()]
    asked = [layer for layer in layers if any(part in str(layer) for part in arguments.only.split(","))]
    rows = []
    if not arguments.json:
        print(f"{'layer':45}{'batch':>6}" + "".join(f"{c:>12}" for c in (*COLUMNS, "forward ms", "step ms")))
    for batch in arguments.batch:
        for layer in asked:
            rows.append(measure(layer, batch, arguments.seconds, SETTLING if arguments.threads > 1 else 0))
            if not arguments.json:
                print(line(rows[-1]), flush=True)
    print(json.dumps(rows, indent=1) if arguments.json else "\n".join(("", *summary(rows))))


if __name__ == "__main__":
    main()
