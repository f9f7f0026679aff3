"""Imports go one way, frameworks stay in their own files, and importing is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import conformance
import npcnn

ROOT = Path(conformance.__file__).parent
# Each imports those before it only; what is no layer, as the command line, imports any.
LAYERS = [
    "cases",
    "kernels",
    "audit.mutants",
    "audit.right",
    "verdicts",
    "requirements",
    "pipeline",
    "workers",
    "audit",
]
FRAMEWORKS = {"torch", "jax", "onnx", "onnxruntime", "tensorflow"}


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def layer_of(module: str) -> int:
    """The number of the longest layer that a module lies in."""
    inside = [layer for layer in LAYERS if f"{module}.".startswith(f"conformance.{layer}.")]
    return LAYERS.index(max(inside, key=len)) if inside else len(LAYERS)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_stands_before_it(path):
    module = ".".join(("conformance", *path.relative_to(ROOT).with_suffix("").parts))
    ahead = [
        name
        for name in imports_of(path)
        if name.startswith("conformance.") and layer_of(name) > layer_of(module)
    ]
    assert [name for name in ahead if layer_of(name) < len(LAYERS) or layer_of(module) < len(LAYERS)] == []


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_framework_is_imported_in_its_own_file_only(path):
    used = {name.partition(".")[0] for name in imports_of(path)} & FRAMEWORKS
    own = {path.stem} | ({"onnx"} if path.stem == "onnxruntime" else set())
    assert used <= (own if path.parent.name == "kernels" else set())


def test_npcnn_and_conformance_do_not_import_each_other():
    of_npcnn = {name for path in Path(npcnn.__file__).parent.rglob("*.py") for name in imports_of(path)}
    of_conformance = {name for path in files() for name in imports_of(path)}
    assert not any(name.partition(".")[0] == "conformance" for name in of_npcnn)
    assert not any(name.partition(".")[0] == "npcnn" for name in of_conformance)


@pytest.mark.parametrize("module", ["conformance", "conformance.pytest_plugin", "npcnn"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = (
        FRAMEWORKS
        | {"hypothesis", "click", "rich", "covertable"}
        | ({"numpy"} if module != "npcnn" else set())
    )
    assert heavy.isdisjoint(loaded)
