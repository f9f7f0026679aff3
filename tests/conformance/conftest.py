"""Kernels written to files, as a user would bring them; and reports, each held to the schema that is published."""

import copy
import functools
import importlib.resources
import json
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
