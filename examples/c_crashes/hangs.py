"""A convolution that never returns where a stride is larger than the filter, and is right otherwise.

python examples/c_kernel/build.py
conformance run examples/c_crashes/hangs.py
"""

import runpy
from pathlib import Path

import conformance

HERE = Path(__file__).resolve().parent
CConvolution = runpy.run_path(str(HERE.parent / "c_kernel" / "kernel.py"))["CConvolution"]

subject = conformance.Subject(CConvolution(HERE / "build" / "hangs"), dtypes=("float32",))
