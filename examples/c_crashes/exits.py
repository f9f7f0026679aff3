"""A convolution that ends the process with exit(3) where there are groups, and is right otherwise.

python examples/c_kernel/build.py
conformance run examples/c_crashes/exits.py
"""

import runpy
from pathlib import Path

import conformance

HERE = Path(__file__).resolve().parent
CConvolution = runpy.run_path(str(HERE.parent / "c_kernel" / "kernel.py"))["CConvolution"]

subject = conformance.Subject(CConvolution(HERE / "build" / "exits"), dtypes=("float32",))
