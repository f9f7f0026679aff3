"""Thirty kernels that are wrong at a number, written before it was known which of them anything finds.

Each is right but for the last column of its answer where its condition holds. For each: whether it is caught by the
numbers of its source, by the search, or its line is named as one that no case ran; and how long that took.

    python benchmarks/hidden.py [NAMEPART] [--profile standard]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KERNEL = """
import numpy as np
from npcnn import conv2d as right

{helpers}

def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    output = right(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    if input.ndim == 3 or not isinstance(stride, int) or not isinstance(padding, int) or not isinstance(dilation, int):
        return output
    n, c, h, w = input.shape
    k, cg, r, s = weight.shape
    oh, ow = output.shape[2:]
{setup}
    if {condition}:
        output[..., -1] = 0
    return output
"""
WIDE = """
def too_wide(shape):
    n, c, h, w = shape
    return w > 300 and n > 1
"""
PLANS = "PLANS = {(5, 3, 2): 'fast', (11, 7, 1): 'slow'}"
POWER = """
def is_power(n):
    return n & (n - 1) == 0
"""
ROUNDS = """
def rounds_of(c):
    start = rounds = 0
    while start < c:
        start += 500
        rounds += 1
    return rounds
"""
TAILS = """
def has_tail(k):
    for first in range(0, k, 96):
        if first and k - first < 40:
            return True
    return False
"""
KERNELS = {  # name: helpers, setup, condition
    "channels": ("", "", "c > 700"),
    "output width": ("", "", "ow == 97"),
    "filters in blocks": ("", "", "k % 56 == 0"),
    "positions": ("", "    positions = oh * ow", "positions > 5000"),
    "taps": ("", "    taps = [(i, j) for i in range(r) for j in range(s)]", "len(taps) > 120"),
    "size": ("", "", "input.size > 150_000"),
    "bytes": ("", "", "weight.nbytes >= 1 << 17"),
    "helper": (WIDE, "", "too_wide(input.shape)"),
    "minimum": ("", "    least = min(h, w)", "least > 70"),
    "quotient": ("", "    chunks = (cg * r * s) // 64", "chunks > 12"),
    "table": (PLANS, "    plan = PLANS.get((r, s, stride))", "plan is not None"),
    "counts and options": ("", "", "cg >= 24 and k >= 40 and stride == 2 and padding == 1"),
    "three sizes": ("", "", "n >= 5 and c >= 20 and w >= 33"),
    "three options": ("", "", "dilation == 3 and groups == 4 and r == 5"),
    "any NaN": ("", "    broken = np.isnan(input).any()", "broken and r == 4"),
    "all whole": ("", "", "np.all(weight == np.rint(weight)) and weight.size > 900"),
    "maximum": ("", "    top = float(np.max(input, initial=0))", "top > 54321.0"),
    "constant": ("", "", "input.size > 30 and input.max() == input.min()"),
    "zero weights": ("", "", "not weight.any()"),
    "flags": ("", "    grouped = groups > 1", "bias is not None and grouped and stride == 3 and padding == 2"),
    "two rounds": (ROUNDS, "", "rounds_of(c) == 2"),
    "tail of a block": (TAILS, "", "has_tail(k)"),
    "work": ("", "    work = n * k * oh * ow", "work > 60_000"),
    "ratio": ("", "", "h > 9 * w"),
    "affine": ("", "", "h == 3 * w + 1 and c == 5"),
    "padding beyond": ("", "    reach = dilation * (r - 1) + 1", "padding > 3 * reach"),
    "of a group": ("", "    kg = k // groups", "cg == 7 and kg == 3 and groups > 1"),
    "power of two": (POWER, "", "c >= 128 and is_power(c)"),
    "batch": ("", "", "n > 300"),
    "sum of weights": ("", "    total = np.abs(weight).sum()", "total > 1e6"),
}  # fmt: skip


def write(name: str, folder: Path) -> Path:
    """The kernel of this name as a file."""
    helpers, setup, condition = KERNELS[name]
    file = folder / f"{name.replace(' ', '_')}.py"
    file.write_text(KERNEL.format(helpers=helpers, setup=setup, condition=condition))
    return file


def judged(file: Path, profile: str, *options: str) -> tuple[dict[str, object], float]:
    """The report of a run as data, and its seconds."""
    start, report = time.perf_counter(), file.with_suffix(".json")
    run = [sys.executable, "-m", "conformance", "run", str(file), "--profile", profile, "--json", str(report)]
    subprocess.run([*run, *options], capture_output=True, check=False)
    return json.loads(report.read_text()), time.perf_counter() - start


def told(report: dict[str, object]) -> str:
    """Which requirements found it, or what is said of its line."""
    found = sorted({by["requirement"] for failure in report["failures"] for by in failure["found_by"]})  # type: ignore[attr-defined]
    lines = report["unreached"]["lines"]  # type: ignore[index]
    return f"caught by {', '.join(found)}" if found else f"{lines} line(s) named" if lines else "SILENT"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("only", nargs="?", default="")
    parser.add_argument("--profile", default="standard")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in (name for name in KERNELS if chosen.only in name):
            file = write(name, Path(folder))
            for options in (["--skip", "numbers,search"], ["--skip", "search"], ["--skip", "numbers"]):
                report, seconds = judged(file, chosen.profile, *options)
                print(f"{name:20} {' '.join(options):22} {seconds:6.1f} s  {told(report)}", flush=True)


if __name__ == "__main__":
    main()
