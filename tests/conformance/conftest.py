"""Kernels written to files, as a user would bring them."""

from pathlib import Path

import pytest

from conformance.cases import FAMILIES

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


@pytest.fixture
def three_dimensions(monkeypatch):
    """Every family with one and three image axes, also where these are no operations yet."""
    for name, family in list(FAMILIES.items()):
        for dimensions in (1, 3):
            other = f"{name[:-2]}{dimensions}d"
            monkeypatch.setitem(FAMILIES, other, FAMILIES.get(other, family))
