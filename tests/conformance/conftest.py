"""Kernels written to files, as a user would bring them."""

from pathlib import Path

import pytest

HEAD = """
import itertools
import numpy as np
import npcnn

def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    return npcnn.conv2d(input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
"""


@pytest.fixture
def write_kernel(tmp_path, monkeypatch):
    """Write kernels to a file of their own in the current directory; the name to call them by."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, source: str) -> str:
        Path(f"{name}.py").write_text(HEAD + source)
        return f"{name}.py"

    return write
