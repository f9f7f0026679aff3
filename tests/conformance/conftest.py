"""Kernels written to files, as a user would bring them; and a report on kernels that are wrong."""

from pathlib import Path

import pytest

from conformance import Subject
from conformance.reports.data import as_data
from conformance.reports.document import document
from conformance.reports.run_info import RunInfo
from conformance.running.in_process import InProcess
from conformance.running.run import run
from conformance.usage import checked_oracle, settings
from npcnn import avg_pool1d, conv2d

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


def off_beside_the_edge(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """A convolution whose answers are wrong past the second column where there is padding."""
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    answer = conv2d(input, weight, bias, **options)
    if padding != 0 and answer.shape[-1] > 2:
        answer[..., 2:] += 1
    return answer


def raising_for_ceil(input, kernel_size, stride=None, padding=0, ceil_mode=False, **options):
    """A pooling that raises an exception whose text is no friend of a page."""
    if ceil_mode:
        raise RuntimeError("<script>document.title = 'taken'</script>")
    return avg_pool1d(input, kernel_size, stride=stride, padding=padding, **options)


@pytest.fixture(scope="session")
def report_data():
    """The data of a report on two kernels that are wrong, in several ways."""
    functions = {"conv2d": off_beside_the_edge, "avg_pool1d": raising_for_ceil}
    subject = Subject(functions, name="two kernels.py", dtypes=("float32",))
    chosen = settings(subject, requirements=("exact", "rounding", "arguments"), profile="quick")
    report = run(subject, InProcess(subject, checked_oracle("reference")), chosen)
    return as_data(
        document(report, RunInfo("reference", "quick", command="conformance run two", started="now"))
    )
