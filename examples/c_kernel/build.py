"""Builds the C kernels of the examples: each source once for float and once for double.

    python examples/c_kernel/build.py

`kernels.c` becomes `build/kernels_float32.so` and `build/kernels_float64.so`. The compiler is $CC, or cc.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1]
REALS = {"float32": "float", "float64": "double"}


def main() -> None:
    for source in sorted([*EXAMPLES.glob("c_kernel/*.c"), *EXAMPLES.glob("c_crashes/*.c")]):
        for dtype, real in REALS.items():
            print(compile_library(source, dtype, real).relative_to(EXAMPLES))


def compile_library(source: Path, dtype: str, real: str) -> Path:
    library = source.parent / "build" / f"{source.stem}_{dtype}.so"
    library.parent.mkdir(exist_ok=True)
    unfinished = library.with_suffix(f".{os.getpid()}.so")  # nobody loads half a library
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags = ["-std=c11", "-O2", "-Wall", "-shared", "-fPIC", f"-Dreal={real}"]
    subprocess.run([*compiler, *flags, str(source), "-o", str(unfinished)], check=True)
    return unfinished.replace(library)


if __name__ == "__main__":
    main()
