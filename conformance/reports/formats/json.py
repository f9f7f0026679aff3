"""The report as JSON; docs/json.md says what each entry is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def render(data: Mapping[str, Any]) -> str:
    """The text of the file: a line for each entry, and for each element of an entry that is a list."""
    return "{\n" + ",\n".join(f"{_text(name)}: {_entry(value)}" for name, value in data.items()) + "\n}\n"


def _entry(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n " + ",\n ".join(map(_text, value)) + "\n]"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
