"""A convolution that asks for memory until there is none where a filter is dilated, and is right otherwise.

python examples/c_kernel/build.py
conformance run examples/c_crashes/allocates_without_end.py
"""

import runpy
from pathlib import Path

import conformance

HERE = Path(__file__).resolve().parent
CConvolution = runpy.run_path(str(HERE.parent / "c_kernel" / "kernel.py"))["CConvolution"]

subject = conformance.Subject(CConvolution(HERE / "build" / "allocates_without_end"), dtypes=("float32",))
