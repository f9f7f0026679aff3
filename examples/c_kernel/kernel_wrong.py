"""kernel.py with the forward of kernels_wrong.c, which drops the tail of a width that is no multiple of 8.

    python examples/c_kernel/build.py
    conformance run examples/c_kernel/kernel_wrong.py

differs, and shows the smallest case that does.
"""

import runpy
from pathlib import Path

import conformance

HERE = Path(__file__).resolve().parent
CKernels = runpy.run_path(str(HERE / "kernel.py"))["CKernels"]

subject = conformance.Subject(CKernels(HERE / "build" / "kernels_wrong"))
