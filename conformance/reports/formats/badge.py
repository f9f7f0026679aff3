"""The verdict as a badge: the JSON that an endpoint badge of shields.io reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_COLORS = {"conforms": "brightgreen", "differs": "red", "untested": "yellow", "interrupted": "lightgrey"}
_IN_PART = "green"  # conforms where asked, or but for known failures


def render(data: Mapping[str, Any]) -> str:
    """The badge: "conformance | conforms", in a colour that no verdict shares with its opposite."""
    verdict, words = data["verdict"], data["conclusion"]["words"]
    badge = {
        "schemaVersion": 1,
        "label": "conformance",
        "message": words,
        "color": _COLORS[verdict] if words == verdict else _IN_PART,
        "isError": not data["passed"],
    }
    return json.dumps(badge, indent=1) + "\n"
