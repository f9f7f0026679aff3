"""A convolution that ends with a segmentation fault where the batch is empty, and is right otherwise.

python examples/c_kernel/build.py
conformance run examples/c_crashes/segfaults_on_empty.py
"""

import runpy
from pathlib import Path

import conformance

HERE = Path(__file__).resolve().parent
CConvolution = runpy.run_path(str(HERE.parent / "c_kernel" / "kernel.py"))["CConvolution"]

subject = conformance.Subject(CConvolution(HERE / "build" / "segfaults_on_empty"), dtypes=("float32",))
