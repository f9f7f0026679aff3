"""The report as one page for a browser, with everything inside: docs/html.md says what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.reports.html.page import page


def render(data: Mapping[str, Any]) -> str:
    """The text of the file, in ASCII."""
    return page(data)
