"""What conformance.toml, or pyproject.toml, says for a run; and that the command line wins."""

import importlib.resources
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

import conformance
from conformance import usage
from conformance.cli import main
from conformance.configuration import KEYS, REPORTS, configuration
from conformance.usage import WrongUsage

TEXT = importlib.resources.files("conformance").joinpath("configuration.schema.json").read_text()
PUBLISHED = json.loads(TEXT)
VALIDATOR = jsonschema.Draft202012Validator(PUBLISHED)
EVERYTHING = """
subjects = ["kernels/mine.py", "kernels/mine.py:inside", "package.module", "torch"]
operations = ["conv2d"]
requirements = ["exact", "empty"]
skip = ["empty"]
dtypes = ["float32"]
profile = "quick"
oracle = "reference"
framework = "numpy"
device = "cpu"
seed = 3
jobs = 2
timeout = 2.5
strict = true
baseline = "known.json"
scripts = "repro"

[reports]
json = "build/{subject}.json"
markdown = "-"
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A configuration in conformance.toml of the current folder, as it is read."""
    monkeypatch.chdir(tmp_path)

    def read(text, name="conformance.toml"):
        Path(name).write_text(text)
        return configuration(Path.cwd())

    return read


def test_each_key_becomes_the_option_of_its_name(written):
    found = written(EVERYTHING)
    assert found.subjects == ("kernels/mine.py", "kernels/mine.py:inside", "package.module", "torch")
    assert found.options == {
        "operations": ["conv2d"], "requirements": ["exact", "empty"], "skipped": ["empty"], "dtypes": ["float32"],
        "profile": "quick", "oracle": "reference", "framework": "numpy", "device": "cpu", "seed": 3, "jobs": 2,
        "timeout": 2.5, "strict": True, "baseline": "known.json", "folder": "repro",
        "json": "build/{subject}.json", "markdown": "-",
    }  # fmt: skip


def test_each_option_is_one_of_the_command(written):
    parameters = {each.name for each in main.get_command(None, "run").params}
    assert set(written(EVERYTHING).options) <= parameters


def test_pyproject_has_it_in_a_table_of_its_own(written):
    found = written('[tool.conformance]\nprofile = "quick"\n', "pyproject.toml")
    assert found.options == {"profile": "quick"}


def test_conformance_toml_goes_before_pyproject(written):
    Path("pyproject.toml").write_text('[tool.conformance]\nprofile = "deep"\n')
    assert written('profile = "quick"').options == {"profile": "quick"}


def test_it_is_found_from_a_folder_below_and_files_are_named_from_there(written, monkeypatch):
    written(EVERYTHING)
    Path("a/b").mkdir(parents=True)
    Path("a/pyproject.toml").write_text("[tool.other]\n")
    monkeypatch.chdir("a/b")
    found = configuration(Path.cwd())
    assert found.subjects == (
        "../../kernels/mine.py", "../../kernels/mine.py:inside", "package.module", "torch",
    )  # fmt: skip
    assert (found.options["baseline"], found.options["json"]) == (
        "../../known.json",
        "../../build/{subject}.json",
    )


@pytest.mark.parametrize("text", ["[tool.other]\n", "", "[project]\nname = 'x'\n", "[not toml"])
def test_a_pyproject_that_says_nothing_of_it_is_passed_over(text, written):
    assert written(text, "pyproject.toml") is None


WRONG = {  # what is written, and what is said
    "a key": (
        'profil = "quick"',
        "profil: no such key (did you mean profile?); there are subjects, operations,",
    ),
    "a report": ('[reports]\njsn = "a"', "reports.jsn: no such report (did you mean json?); there are "),
    "a profile": (
        'profile = "quik"',
        "profile: quik: no such profile (did you mean quick?); there are quick,",
    ),
    "a requirement": (
        'skip = ["exat"]',
        "skip: exat: no such requirement (did you mean exact?); there are exact,",
    ),
    "an operation": ('operations = ["conv2"]', "operations: conv2: no such operation (did you mean conv2d?)"),
    "a text": ("profile = 3", "profile = 3: must be a text"),
    "no list": ('subjects = "a.py"', "subjects = 'a.py': must be a list of names of files or modules"),
    "a list of others": ("dtypes = [1]", "dtypes = [1]: must be a list of texts"),
    "a seed": ("seed = -1", "seed = -1: must be a whole number of at least 0"),
    "jobs": ("jobs = true", "jobs = True: must be a whole number of at least 1"),
    "seconds": ('timeout = "1"', "timeout = '1': must be a number of seconds"),
    "a flag": ("strict = 1", "strict = 1: must be true or false"),
    "a file": ('baseline = ""', "baseline = '': must be the name of a file"),
    "no table": ('reports = "a.json"', "reports = 'a.json': must be a table of files"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_with_its_file_and_key(what, written):
    text, said = WRONG[what]
    with pytest.raises(WrongUsage) as error:
        written(text)
    assert str(error.value).startswith(f"conformance.toml: {said}")


def test_in_pyproject_the_table_is_named(written):
    with pytest.raises(WrongUsage, match=r"^pyproject.toml: \[tool.conformance\] seed = -1: must be"):
        written("[tool.conformance]\nseed = -1", "pyproject.toml")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("conformance.toml", "profile =", "conformance.toml: is no TOML: Invalid value"),
        ("pyproject.toml", "[tool.conformance]\nprofile =", "pyproject.toml: is no TOML: Invalid value"),
        (
            "pyproject.toml",
            "[tool]\nconformance = 1",
            "pyproject.toml: tool.conformance = 1: must be a table",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_told(name, text, said, written):
    with pytest.raises(WrongUsage) as error:
        written(text, name)
    assert str(error.value).startswith(said)


def test_a_file_that_may_not_be_read_is_told(written, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    Path("conformance.toml").write_text("")
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(WrongUsage, match=r"^conformance.toml: cannot be read: Permission denied$"):
        configuration(Path.cwd())


def test_a_folder_of_that_name_is_no_configuration(tmp_path):
    (tmp_path / "conformance.toml").mkdir()
    assert configuration(tmp_path) is None


# The schema for editors.


def test_the_schema_has_every_key_and_describes_it():
    VALIDATOR.check_schema(PUBLISHED)
    assert list(PUBLISHED["properties"]) == list(KEYS)
    assert [name for name, entry in PUBLISHED["properties"].items() if not entry["description"]] == []


def test_the_schema_has_every_format_of_a_report():
    assert PUBLISHED["properties"]["reports"]["properties"].keys() == REPORTS.keys()


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.words])
def test_the_schema_has_every_word_of_a_key(name):
    entry = PUBLISHED["properties"][name]
    assert sorted(entry.get("items", entry)["enum"]) == sorted(usage.WORDS[KEYS[name].words]())


def test_the_schema_takes_what_the_command_takes():
    assert [error.message for error in VALIDATOR.iter_errors(tomllib.loads(EVERYTHING))] == []


@pytest.mark.parametrize("what", WRONG)
def test_the_schema_refuses_what_the_command_refuses(what):
    assert not VALIDATOR.is_valid(tomllib.loads(WRONG[what][0]))


# docs/ci.md.

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "ci.md").read_text()


def test_the_example_of_the_documentation_has_every_key_and_is_taken(written):
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    assert written(text, "pyproject.toml")
    assert tomllib.loads(text)["tool"]["conformance"].keys() == KEYS.keys()


@pytest.mark.parametrize("option", sorted({*re.findall(r"--[a-z]+(?:-[a-z]+)*", DOCS)}))
def test_each_option_that_the_documentation_names_is_there(option):
    commands = [main.get_command(None, name) for name in ("run", "compare", "baseline")]
    there = {
        name for command in commands for each in command.params for name in (*each.opts, *each.secondary_opts)
    }
    assert option in there


@pytest.mark.parametrize("name", REPORTS)
def test_the_documentation_names_each_format(name):
    assert f"`--{name} FILE`" in DOCS


# Runs.

BIAS_IGNORED = """
def conv2d(input, weight, bias=None): return npcnn.conv2d(input, weight, None)
"""
RIGHT = """
def conv2d(input, weight, bias=None): return npcnn.conv2d(input, weight, bias)
"""
CARELESS = """
def conv2d(input, weight, stride=1):
    stride = tuple(np.maximum(np.broadcast_to(stride, 2), 1).tolist())
    return npcnn.conv2d(input, weight, stride=stride)
"""
SETUP = 'profile = "quick"\noracle = "reference"\nrequirements = ["empty"]\ndtypes = ["float32"]\n'


@pytest.fixture
def run(write_kernel):
    write_kernel("right", RIGHT)
    write_kernel("wrong", BIAS_IGNORED)

    def judged(text, *words):
        Path("conformance.toml").write_text(SETUP + text)
        asked = ["run", *words, "--in-process", "--no-cache"]
        return CliRunner(env={"COLUMNS": "200"}).invoke(main, asked, prog_name="conformance")

    return judged


def test_a_run_without_a_subject_judges_the_one_that_is_configured(run):
    result = run('subjects = ["wrong.py"]')
    assert result.exit_code == 1
    assert result.output.startswith("wrong.py: numpy arrays, oracle reference, profile quick, seed 0\n")


def test_a_run_without_any_subject_says_what_to_write(run):
    result = run("")
    assert result.exit_code == 2
    assert result.output.endswith(
        "Error: no SUBJECT: name one, as conformance run mykernels.py; or write in pyproject.toml\n\n"
        '[tool.conformance]\nsubjects = ["mykernels.py"]\n'
    )


@pytest.mark.parametrize(
    ("words", "head"),
    [
        ([], "profile quick, seed 3"),
        (["--seed", "4"], "profile quick, seed 4"),
        (["--profile", "standard"], "profile standard, seed 3"),
    ],
)
def test_the_command_line_wins(words, head, run):
    assert head in run("seed = 3", "right.py", *words).output.splitlines()[0]


@pytest.mark.parametrize(("words", "status"), [([], 1), (["--no-strict"], 0)])
def test_a_flag_that_is_configured_can_be_taken_back(words, status, run, write_kernel):
    careless = write_kernel("careless", CARELESS)
    assert run("strict = true", careless, "--requirement", "arguments", *words).exit_code == status


def test_a_mistake_in_the_file_is_wrong_usage(run):
    result = run("sed = 3", "right.py")
    assert result.exit_code == 2
    assert "Error: conformance.toml: sed: no such key (did you mean seed?); there are" in result.output


def test_a_mistake_in_the_file_does_not_take_the_help_away(run):
    assert run("sed = 3", "--help").exit_code == 0


def test_configured_files_are_those_of_configured_subjects(run):
    of_json = '\n[reports]\njson = "{subject}.json"\n'
    run(f'subjects = ["wrong.py"]{of_json}', "right.py")
    run(f'subjects = ["wrong.py"]{of_json}', "./wrong.py")
    assert [Path(name).exists() for name in ("right.json", "wrong.json")] == [False, True]


def test_a_baseline_that_is_configured_makes_known_failures_pass(run):
    assert run("", "wrong.py", "--json", "first.json").exit_code == 1
    CliRunner().invoke(main, ["baseline", "update", "known.json", "first.json"])
    result = run('subjects = ["wrong.py"]\nbaseline = "known.json"')
    assert result.exit_code == 0
    assert "conforms where asked but for 1 known failure of known.json: " in result.output


@pytest.mark.parametrize("file", ["report.html", "-"])
def test_several_subjects_do_not_go_to_one_file(file, run):
    result = run('subjects = ["right.py", "wrong.py"]', "--html", file)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == (
        f"Error: --html {file}: right.py and wrong.py do not go to one file; write {{subject}} where their names are "
        "to stand"
    )


def test_several_subjects_whose_names_would_be_one_in_a_file_do_not_go_to_it(run):
    result = run('subjects = ["a/b.py", "a-b.py"]', "--json", "{subject}.json")
    assert "Error: --json {subject}.json: a/b.py and a-b.py do not go to one file\n" in result.output


def test_several_subjects_are_not_watched_at_once(run):
    result = run('subjects = ["right.py", "wrong.py"]', "--watch")
    assert (
        result.output.splitlines()[-1]
        == "Error: --watch: goes with one subject, and with neither --executor nor --dask"
    )


@pytest.mark.slow
def test_each_of_several_subjects_has_its_verdict_and_the_worst_decides(write_kernel):
    for name, source in {"right": RIGHT, "wrong": BIAS_IGNORED}.items():
        write_kernel(name, source)
    Path("conformance.toml").write_text(f'{SETUP}subjects = ["wrong.py", "right.py", "none.py"]')
    root = str(Path(conformance.__file__).parents[1])
    asked = [
        sys.executable,
        "-m",
        "conformance",
        "run",
        "--no-cache",
        "--json",
        "{subject}.json",
    ]
    ran = subprocess.run(asked, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": root})
    assert ran.returncode == 2
    table = [line.split()[:3] for line in ran.stdout.splitlines()[:4]]
    assert table == [
        ["subject", "verdict", "conv2d"], ["wrong.py", "differs", "differs"], ["right.py", "conforms", "ok"],
        ["none.py", "not", "judged"],
    ]  # fmt: skip
    verdicts = [json.loads(Path(f"{name}.json").read_text())["verdict"] for name in ("right", "wrong")]
    assert verdicts == ["conforms", "differs"]
