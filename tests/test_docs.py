"""What README.md and docs/ show: their Python runs, their commands exist, and print what stands below them."""

import functools
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

import conformance
from conformance import usage
from conformance.audit import mutants
from conformance.cli import main
from conformance.explanations import file_of
from conformance.explanations import pages as words_explained

ROOT = Path(__file__).resolve().parents[1]
README, DOCS, EXAMPLES = ROOT / "README.md", ROOT / "docs", ROOT / "examples"
GENERATED = ("explain", "mutants")
WRITTEN = [
    README,
    ROOT / ".github" / "CONTRIBUTING.md",
    *(page for page in sorted(DOCS.rglob("*.md")) if page.parent.name not in GENERATED),
    *map(file_of, words_explained()),
]
LONG = ("run", "search", "mutants")  # where no output is shown, commands that judge for long are not run
OF_REPORTS = ("report", "compare", "baseline", "merge")  # nor those of reports, which are not at hand
TOOLS = ("conformance", "python", "pytest", "tox", "pip")


class Block(NamedTuple):
    page: Path
    line: int
    language: str
    text: str


class Command(NamedTuple):
    page: Path
    text: str
    shown: str  # what stands below it

    def __str__(self):
        return f"{self.page.stem}: {self.text}"

    @property
    def words(self):
        """Up to where the shell sends what it prints."""
        return shlex.split(re.split(r" (?:\d?>|\|)", self.text)[0], comments=True)


def blocks(page):
    text = page.read_text()
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text[: found.start()].count("\n") + 1, found[1], found[2])


def commands(page):
    """Those of console blocks, each with what stands below it, and those that stand indented."""
    for block in (block for block in blocks(page) if block.language == "console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            text, _, shown = part.partition("\n")
            yield Command(page, text, shown)
    outside = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for line in re.findall(rf"^    ((?:{'|'.join(TOOLS)}) .*)$", outside, re.MULTILINE):
        yield from (Command(page, each.strip(), "") for each in line.split("&&"))


EVERY = [command for page in WRITTEN for command in commands(page)]
OURS = [command for command in EVERY if command.words[0] == "conformance"]
OTHERS = [command for command in EVERY if command.words[0] != "conformance"]
SHORT = [command for command in OURS if command.words[1] not in (*LONG, *OF_REPORTS) and not command.shown]
SHOWN = [command for command in OURS if command.shown]


@pytest.fixture
def at_hand(tmp_path, monkeypatch):
    """A folder with the examples, and mykernels.py beside them; its modules are forgotten afterwards."""
    folder = made(tmp_path)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.syspath_prepend(str(folder / "examples"))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def made(folder):
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("build", "__pycache__"))
    shutil.copy(EXAMPLES / "mykernels.py", folder)
    return folder


# Python.


@pytest.mark.parametrize(
    "page", [p for p in WRITTEN if any(b.language == "python" for b in blocks(p))], ids=lambda p: p.stem
)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, at_hand):
    if "import torch" in page.read_text():
        pytest.importorskip("torch")
    namespace = {"__name__": "shown"}
    for block in blocks(page):
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, str(page), "exec"), namespace)


def test_the_kernel_of_the_readme_is_that_of_the_example():
    shown = next(block.text for block in blocks(README) if block.language == "python")
    assert shown.strip() in (EXAMPLES / "mykernels.py").read_text()


def test_the_subject_of_the_docs_can_be_pasted_under_the_kernel_and_has_its_known_failure(at_hand):
    subject = next(block.text for block in blocks(DOCS / "subject.md") if "known_failures" in block.text)
    file = at_hand / "pasted_from_the_docs.py"
    file.write_text((at_hand / "mykernels.py").read_text() + subject)
    asked = {"requirements": ["exact"], "oracle": "reference", "profile": "quick"}
    report = conformance.check(str(file), **asked)
    verdicts = {row.verdict for row in report.rows if row.output == "output"}
    assert (report.stale, verdicts) == ([], {"known failure"})


# Commands.


@pytest.mark.parametrize("command", OURS, ids=str)
def test_a_command_has_options_and_words_that_exist(command):
    name, *arguments = command.words[1:]
    group = click.Context(main)
    found = main.get_command(group, name)
    assert found is not None
    given = found.make_context(name, arguments, parent=group).params
    usage.check_words(
        given.get("operations", ()),
        (*given.get("requirements", ()), *given.get("skipped", ())),
        given.get("dtypes", ()),
        given.get("profile", "quick"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", SHORT, ids=str)
def test_a_short_command_ends_with_a_verdict(command, at_hand):
    alone = ["--in-process"] if command.words[1] == "replay" else []
    result = CliRunner().invoke(main, [*command.words[1:], *alone], prog_name="conformance")
    assert result.exit_code in ((0, 1) if alone else (0,))


@functools.cache
def printed(text, folder):
    """What a command prints in 100 columns, in a process of its own, and its exit status."""
    environment = os.environ | {"COLUMNS": "100"}
    words = [sys.executable, "-m", *shlex.split(text)]
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    return ended.stdout, ended.returncode


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("torch")
    return made(tmp_path_factory.mktemp("shown"))


def missing(shown, text):
    """The first stretch of what is shown that a text has not, in order; where a line is "...", anything may stand."""
    rest = plain(text)
    for stretch in filter(plain, re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)):
        _, found, rest = rest.partition(plain(stretch))
        if not found:
            return stretch
    return ""


def plain(text):
    """Without the width of lines, and how long it took."""
    timeless = re.sub(r"in [\d.]+ s|(?<=  )\d+\.\d$", "in some s", text, flags=re.MULTILINE)
    return " ".join(timeless.split())


@pytest.mark.slow
@pytest.mark.parametrize("command", SHOWN, ids=str)
def test_what_stands_below_a_command_is_what_it_prints(command, folder):
    text, status = printed(command.text, folder)
    assert (missing(command.shown, text), status) == ("", int("differs" in command.shown.lower()))


@pytest.mark.slow
def test_the_parts_of_the_verdict_are_those_of_the_report(folder):
    page = DOCS / "verdict.md"
    command = next(commands(page))
    shown = "...\n".join(block.text for block in blocks(page) if block.language == "text")
    assert missing(shown, printed(command.text, folder)[0]) == ""


def test_what_is_shown_is_missing_where_it_is_another():
    assert missing("one\n...\nthree\n", "one\ntwo\nthree") == ""
    assert missing("one\n...\nfour\n", "one\ntwo\nthree") == "\nfour\n"
    assert missing("three\n...\none\n", "one\ntwo\nthree") == "\none\n"


@pytest.mark.parametrize("command", OTHERS, ids=str)
def test_a_command_of_another_tool_names_what_there_is(command):
    text = command.text
    envs = set(re.findall(r"^\[testenv:(.+)\]", (ROOT / "tox.ini").read_text(), re.MULTILINE))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for names in re.findall(r"tox run -e (\S+)", text):
        assert set(names.split(",")) <= envs
    for names in re.findall(r"\.\[(\w+)\]", text):
        assert names in extras
    for name in re.findall(r"python ((?:examples|benchmarks|docs)/\S+\.py)", text):
        assert (ROOT / name).is_file()


# The pages.


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) < 200


LINKS = [(page, link) for page in WRITTEN for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text())]


@pytest.mark.parametrize(("page", "link"), LINKS, ids=lambda part: getattr(part, "stem", part))
def test_a_link_leads_to_a_file(page, link):
    generated = DOCS in page.parents and link.removeprefix("../").split("/")[0] in GENERATED
    assert generated or (page.parent / link).exists()


GENERATE = runpy.run_path(str(DOCS / "generate.py"))
TABLES = ["lp_pool2d", "max_unpool2d"]  # the others are made alike, and take longer


@functools.cache
def rows(operation):
    """The rows of its table of mutants, as cells."""
    lines = [line.strip("|") for line in GENERATE["_table"](operation) if line.startswith("| ")]
    cells = ([cell.strip() for cell in line.split(" | ")] for line in lines)
    return [row for row in cells if row[0] != "the mistake"]


@pytest.mark.parametrize("operation", TABLES)
def test_the_table_of_an_operation_has_a_row_for_each_mutant(operation):
    assert len(rows(operation)) == len(mutants.of(operation))


@pytest.mark.parametrize("operation", TABLES)
def test_a_case_of_the_table_shows_its_mutant(operation):
    of_sentence = {GENERATE["_words"](mutant.sentence): mutant for mutant in mutants.of(operation)}
    shown = [(of_sentence[row[0]], row[2].strip("`")) for row in rows(operation) if row[2]]
    assert shown
    question = GENERATE["Question"].of
    assert [case for mutant, case in shown if not question(conformance.Case.parse(case)).shows(mutant)] == []


def test_a_row_has_the_sentence_the_condition_a_case_and_the_table_of_a_mutant():
    assert ["channels averaged too", "`` C > 1 ``", "`lp_pool2d channels=2`", r"lp\_pool"] in rows(
        "lp_pool2d"
    )


def test_the_index_of_what_words_mean_lists_every_page():
    index = "\n".join(GENERATE["_explanations"]()).split()
    assert [word for word in words_explained() if word.replace(" ", "-") not in index] == []


def test_the_reference_has_every_public_name():
    listed = re.findall(r"^\.\. auto\w+:: (\w+)$", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert sorted(listed[: len(conformance.__all__)]) == sorted(conformance.__all__)


def test_every_page_is_in_the_contents():
    named = "\n".join(page.read_text() for page in (DOCS / "index.md", DOCS / "check" / "index.md")).split()
    every = [page.stem for page in WRITTEN if DOCS in page.parents and page.stem != "index"]
    assert [name for name in every if name not in named] == []


def test_every_example_has_its_page():
    shown = "".join(page.read_text() for page in (DOCS / "check").glob("*.md"))
    every = [path.name for path in EXAMPLES.rglob("*.py") if path.name != "mykernels.py"]
    assert [name for name in every if name not in shown] == []
