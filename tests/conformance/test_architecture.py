"""Imports go one way, frameworks stay in their own files, and importing is cheap."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import conformance
import npcnn
from conformance.kernels.framework import FRAMEWORKS as FILES
from conformance.kernels.framework import about
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS

ROOT = Path(conformance.__file__).parent
LAYERS = [  # each imports itself and those before it only
    ("operations",), ("cases",), ("kernels",), ("audit.mutants", "audit.right"), ("verdicts",),
    ("requirements",), ("explanations",), ("running",), ("usage",),
    ("reports",), ("configuration",), ("elsewhere",), ("audit",), ("cli",), ("suite", "pytest_plugin"),
]  # fmt: skip
ENTRANCES = {"__init__", "__main__"}  # load what they name when it is needed
ORDERED = {  # so do the files of these folders
    "kernels": [
        "reference", "functions", "handlers", "framework", "getters", "versions", "frameworks", "surroundings",
        "probes", "own", "raised", "answer", "guess", "source", "hints", "subject", "lines", "signature", "layout",
        "conditions", "call", "double_backward", "load", "turns",
    ],
    "reports": [
        "lines", "run_info", "claims", "advice", "tables", "findings", "progress", "event_log", "last_time", "brief",
        "stored", "entries", "baseline", "conclusion", "document", "script", "script_files", "finding_arrays", "data",
        "text", "arrays", "replay", "comparison", "many", "shards", "html", "formats",
    ],
}  # fmt: skip
FRAMEWORKS = {"torch", "jax", "jaxlib", "onnx", "onnxruntime", "tensorflow"}
NAMED = {  # elsewhere than in the framework's own file
    "kernels/framework.py": {"torch", "numpy"},  # the default oracle, and what arrays are unless declared
    "__main__.py": {"numpy"},  # which is needed, whatever the subject
}
HOMONYMS = {  # words that are names of requirements, and mean something else there
    "cases/arrays.py": {"special"}, "cases/values.py": {"special"}, "operations/special.py": {"special"},
    "cases/units.py": {"special"}, "running/tasks.py": {"numbers"}, "kernels/surroundings.py": {"rounding"},
    "reports/data.py": {"certified", "numbers"}, "reports/html/page.py": {"certified", "numbers"},
    "reports/html/limits.py": {"certified", "numbers"}, "reports/text.py": {"certified", "numbers"},
    "explanations/pages.py": {"certified", "numbers", "search"},
    "cases/named.py": {"hazards"}, "cli/list.py": {"layouts"}, "cli/search.py": {"search"},
}  # fmt: skip


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def constants_of(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def files(pattern: str = "**/*.py") -> list[Path]:
    return sorted(ROOT.glob(pattern))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def layer_of(module: str) -> int:
    """Where a module stands; before all of them, the package itself and what is none of ours."""
    inside = module.removeprefix("conformance.") + "."
    places = [place for place, names in enumerate(LAYERS) for name in names if inside.startswith(f"{name}.")]
    return min(places, default=-1) if module.startswith("conformance.") else -1


def top(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("name", sorted({top(path) for path in files()} - ENTRANCES))
def test_every_folder_has_its_place(name):
    assert any(name in names for names in LAYERS)


@pytest.mark.parametrize("path", [path for path in files() if top(path) not in ENTRANCES], ids=shown)
def test_a_file_imports_only_what_stands_before_it(path):
    module = ".".join(("conformance", *path.relative_to(ROOT).with_suffix("").parts))
    assert [name for name in imports_of(path) if layer_of(name) > layer_of(module)] == []


def place_of(module: str, folder: str) -> int:
    """Where a module of a folder stands; before all of them, what is no module of it."""
    parts = module.split(".")
    return ORDERED[folder].index(parts[2]) if parts[:2] == ["conformance", folder] and parts[2:] else -1


@pytest.mark.parametrize(
    "path", [path for folder in ORDERED for path in files(f"{folder}/**/*.py")], ids=shown
)
def test_a_file_of_an_ordered_folder_imports_only_what_stands_before_it(path):
    folder, *parts = path.relative_to(ROOT).with_suffix("").parts
    own = place_of(".".join(("conformance", folder, *parts)).removesuffix(".__init__"), folder)
    assert [name for name in imports_of(path) if place_of(name, folder) > own] == []


@pytest.mark.parametrize("path", files("reports/formats/[!_]*.py"), ids=shown)
def test_no_file_imports_a_format_so_that_another_one_is_one_new_file(path):
    module = ".".join(("conformance", *path.relative_to(ROOT).with_suffix("").parts))
    assert [each for each in files() if module in imports_of(each)] == []


def own_packages(path: Path) -> set[str]:
    """What a framework's file may import and name."""
    return (
        set(about(path.stem).packages) if path.parent.name == "frameworks" and path.stem in FILES else set()
    )


@pytest.mark.parametrize("path", files(), ids=shown)
def test_a_framework_is_imported_in_its_own_file_only(path):
    used = {name.partition(".")[0] for name in imports_of(path)} & FRAMEWORKS
    assert used <= own_packages(path)


@pytest.mark.parametrize("path", files(), ids=shown)
def test_a_framework_is_named_in_its_own_file_only(path):
    named = constants_of(path) & {*FRAMEWORKS, "numpy"}
    assert named <= own_packages(path) | NAMED.get(shown(path), set())


NAMING = ("requirements", "audit")  # a table of mutants has the requirements that notice them


@pytest.mark.parametrize("path", [path for path in files() if top(path) not in NAMING], ids=shown)
def test_a_requirement_is_known_by_its_fields_and_not_by_its_name(path):
    assert constants_of(path) & REQUIREMENTS.keys() <= HOMONYMS.get(shown(path), set())


def test_npcnn_and_conformance_do_not_import_each_other():
    of_npcnn = {name for path in Path(npcnn.__file__).parent.rglob("*.py") for name in imports_of(path)}
    of_conformance = {name for path in files() for name in imports_of(path)}
    assert not any(name.partition(".")[0] == "conformance" for name in of_npcnn)
    assert not any(name.partition(".")[0] == "npcnn" for name in of_conformance)


LIGHT = {
    "conformance": "import conformance",
    "conformance --help": "from conformance.cli import main; main(['--help'], standalone_mode=False)",
    "the pytest plugin": "import conformance.pytest_plugin",
    "npcnn": "import npcnn",
}


@pytest.mark.parametrize("what", LIGHT)
def test_importing_loads_nothing_heavy(what):
    code = f"import sys; {LIGHT[what]}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = (
        FRAMEWORKS
        | {"hypothesis", "rich", "covertable"}
        | ({"click"} if what != "conformance --help" else set())
        | ({"numpy"} if what != "npcnn" else set())
    )
    assert heavy.isdisjoint(loaded)


PROVIDERS = {  # what offers functions by their names, or tables of mistakes in them, a file or a folder each
    "kernels/frameworks/", "kernels/functions.py", "audit/mutants/", "audit/right/",
}  # fmt: skip
OPERATION_NAMES = {*OPERATIONS, *(operation.family.name for operation in OPERATIONS.values())}
OUTSIDE = [path for path in files() if not shown(path).startswith(("operations/", *PROVIDERS))]


@pytest.mark.parametrize("path", OUTSIDE, ids=shown)
def test_no_file_outside_operations_names_a_family_or_an_operation(path):
    constants = {
        node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)
    }
    assert {value for value in constants if isinstance(value, str)} & OPERATION_NAMES == set()


@pytest.mark.parametrize("path", [*OUTSIDE, *files("kernels/**/*.py")], ids=shown)
def test_no_file_outside_operations_takes_the_name_of_an_operation_apart(path):
    text = path.read_text()
    assert (
        re.findall(r"operation(?:\[[^\]]*:|\[-|\.(?:startswith|endswith|removesuffix|removeprefix)\()", text)
        == []
    )
