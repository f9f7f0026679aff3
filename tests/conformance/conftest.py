"""Kernels written to files, as a user would bring them; and reports, each held to the schema that is published."""

import copy
import functools
import importlib.resources
import json
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


def objects(schema):
    """Every object with entries that a schema describes, inside others too."""
    if isinstance(schema, dict) and "properties" in schema and "type" in schema:
        yield schema
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from objects(value)


@functools.cache
def errors_of_report():
    """A function that tells what is wrong with the data of a report, an entry that nobody described included."""
    from jsonschema import Draft202012Validator

    text = importlib.resources.files("conformance.reports").joinpath("report.schema.json").read_text()
    closed = copy.deepcopy(json.loads(text))
    for each in objects(closed):
        each["additionalProperties"] = False
    validator = Draft202012Validator(closed)
    return lambda data: [f"{error.json_path}: {error.message}" for error in validator.iter_errors(data)]


@pytest.fixture(scope="session", autouse=True)
def every_report_keeps_to_the_schema():
    """Whatever report a test has made in its process."""
    from conformance.reports import data

    def checked(document):
        made = as_data(document)
        assert errors_of_report()(json.loads(json.dumps(made))) == []
        return made

    with pytest.MonkeyPatch.context() as patch:
        as_data = data.as_data
        patch.setattr(data, "as_data", checked)
        yield


@pytest.fixture
def schema_errors():
    return errors_of_report()


@pytest.fixture
def objects_of():
    return lambda schema: list(objects(schema))
