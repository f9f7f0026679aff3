"""A convolution that reads one element past the input, and is right otherwise.

python examples/c_kernel/build.py
conformance run examples/c_crashes/reads_past_input.py
"""

import runpy
from pathlib import Path

import conformance

HERE = Path(__file__).resolve().parent
CConvolution = runpy.run_path(str(HERE.parent / "c_kernel" / "kernel.py"))["CConvolution"]

subject = conformance.Subject(CConvolution(HERE / "build" / "reads_past_input"), dtypes=("float32",))
