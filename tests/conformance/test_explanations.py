"""What each word of a report means: every word has its page, and the command prints it."""

import re

import click
import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.cli.explain import command
from conformance.explanations import FINDINGS, KINDS, explanation, file_of, pages
from conformance.operations import OPERATIONS
from conformance.requirements import REQUIREMENTS
from conformance.verdicts.judgement import GRAVEST
from conformance.verdicts.verdict import VERDICTS

WORDS = [word for words in KINDS.values() for word in words]
SECTIONS = {
    "requirements": ["What is asked", "Why", "How it is judged", "What a pass does not say", "Run it alone"],
    "outputs": ["What it is", "What goes wrong", "When it is judged", "Run it alone"],
    "findings": ["How it is decided", "What to do"],
}
OF_KIND = [(kind, word) for kind, words in KINDS.items() for word in words]


def explain(*words):
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, ["explain", *words], prog_name="conformance")


def test_every_requirement_verdict_and_output_has_its_page_and_no_page_is_left_over():
    outputs = {output for operation in OPERATIONS.values() for output in operation.outputs}
    assert set(pages()) == {*REQUIREMENTS, *VERDICTS, *outputs, "stale known failure", "no case ran"}


def test_every_status_of_a_failure_is_a_verdict():
    assert set(GRAVEST) <= set(VERDICTS)


def test_no_word_is_of_two_kinds():
    assert len(set(WORDS)) == len(WORDS)


@pytest.mark.parametrize("word", WORDS)
def test_a_page_is_headed_by_its_word(word):
    assert explanation(word).startswith(f"# {word}\n")


@pytest.mark.parametrize(("kind", "word"), OF_KIND)
def test_a_page_has_the_sections_of_its_kind(kind, word):
    assert re.findall(r"^## (.*)$", explanation(word), re.MULTILINE) == SECTIONS[kind]


@pytest.mark.parametrize("word", WORDS)
def test_a_page_links_to_pages_that_exist(word):
    linked = re.findall(r"\]\((\S+\.md)\)", file_of(word).read_text())
    assert [name for name in linked if not file_of(word).with_name(name).is_file()] == []


@pytest.mark.parametrize("word", ["exact", "EXACT", " exact "])
def test_explain_prints_the_page_however_its_word_is_written(word):
    assert explain(word).output == explanation("exact")


@pytest.mark.parametrize(
    "words", [("out", "of", "memory"), ("out of memory",), ("out-of-memory",), ("OUT_OF", "memory")]
)
def test_explain_takes_several_words_for_one(words):
    assert explain(*words).output == explanation("out of memory")


def test_a_page_in_the_terminal_has_no_names_of_files():
    assert ".md" not in explain("exact").output


def test_explain_without_a_word_lists_every_one():
    listed = [line.strip() for line in explain().output.splitlines() if line.startswith("  ")]
    assert listed == WORDS


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("roundin", "roundin: no such requirement, output or finding (did you mean rounding?)"),
        ("Crash", "crash: no such requirement, output or finding (did you mean crashed?)"),
        ("", "'': no such requirement, output or finding; there are exact"),
    ],
)
def test_explain_refuses_a_word_without_a_page_and_names_a_near_one(word, says):
    result = explain(word)
    assert (result.exit_code, says in result.stderr) == (2, True)


def test_findings_are_verdicts_and_what_else_a_report_tells():
    assert set(FINDINGS) > set(VERDICTS)


def test_a_shell_completes_a_word_and_has_hyphens_in_one_of_several():
    argument = command.params[0]
    found = argument.shell_complete(click.Context(command), "ou")
    assert [each.value for each in found] == ["output", "out-of-memory"]
