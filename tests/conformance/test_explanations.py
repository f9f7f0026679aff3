"""What each word of a report means: every word has its page, and the command prints it."""

import ast
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from conformance.cli import main
from conformance.cli.explain import command
from conformance.explanations import FINDINGS, KINDS, MEANT, explanation, file_of, pages
from conformance.operations import OPERATIONS
from conformance.reports import text
from conformance.reports.html import findings, limits
from conformance.reports.html.page import TEMPLATES
from conformance.requirements import REQUIREMENTS
from conformance.verdicts.judgement import GRAVEST
from conformance.verdicts.verdict import VERDICTS

WORDS = [word for words in KINDS.values() for word in words]
SECTIONS = {
    "requirements": ["What is asked", "Why", "How it is judged", "What a pass does not say", "Run it alone"],
    "outputs": ["What it is", "What goes wrong", "When it is judged", "Run it alone"],
    "findings": ["How it is decided", "What to do"],
    "terms": ["What it is", "How to read it"],
}
OF_KIND = [(kind, word) for kind, words in KINDS.items() for word in words]


def explain(*words):
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, ["explain", *words], prog_name="conformance")


def test_every_requirement_verdict_and_output_has_its_page_and_no_page_is_left_over():
    outputs = {output for operation in OPERATIONS.values() for output in operation.outputs}
    findings = {*VERDICTS, "stale known failure", "no case ran"}
    assert set(pages()) == {*REQUIREMENTS, *findings, *outputs, *KINDS["terms"]}


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
        ("roundin", "roundin: no such word of a report (did you mean rounding?)"),
        ("Crash", "crash: no such word of a report (did you mean crashed?)"),
        ("", "'': no such word of a report; there are exact"),
    ],
)
def test_explain_refuses_a_word_without_a_page_and_names_a_near_one(word, says):
    result = explain(word)
    assert (result.exit_code, says in result.stderr) == (2, True)


# Every word that a report uses as a term is explained.

PAGE = (TEMPLATES / "page.html").read_text()
SAID = {
    "a heading of the text": list(text.HEADINGS),
    "a label of the text": [*text.ENTRIES, "also seen as"],
    "a cell of the text": list(text.SHORT.values()),
    "a limit of the page": [each[1] for each in limits.LIMITS],
    "a label of the page": list(findings.FACTS),
    "a heading of the page": re.findall(r'explained\("([^"]+)"', PAGE),
    "a part of the page": re.findall(r'<a href="#\w+">(\w+)', PAGE),
    "a list of the page": re.findall(r'^    \("(\w+)", "', PAGE, re.MULTILINE),
    "the summary of pytest": ["no verdict", "interrupted", "as told by"],
    "the last line": ["conforms where asked", "but for known failures", "lines that no case ran"],
}
PLAIN = {  # they say what they are
    "Verdict", "Matrix", "Time", "Run", "Words", "What limits this verdict", "Operation, output, requirement",
    "Certified, exhausted, sampled", "The run", "What its words mean",
}  # fmt: skip
USED = sorted({word for words in SAID.values() for word in words} - PLAIN)


@pytest.mark.parametrize("word", USED)
def test_a_word_that_a_report_uses_is_explained(word):
    page = explain(*word.split())
    assert (page.exit_code, page.output[:2]) == (0, "# ")


@pytest.mark.parametrize("kind", SAID)
def test_words_of_every_part_of_a_report_were_found(kind):
    assert SAID[kind]


def test_a_heading_of_the_text_is_one_of_the_table_and_begins_with_its_word():
    tuples = [
        node.elts
        for node in ast.walk(ast.parse(Path(text.__file__).read_text()))
        if isinstance(node, ast.Tuple)
    ]
    written = [ast.unparse(of[0]) for of in tuples if len(of) == 2 and ast.unparse(of[1]) == "'head'"]
    assert [each for each in written if each.startswith(("'", '"'))] == []
    assert all(heading.startswith(word) for word, heading in text.HEADINGS.items())


def test_a_heading_of_the_page_leads_to_its_word_or_says_what_it_is():
    headings = re.findall(r"<h[23][^>]*>(?:<span.*?</span> )?([^<]*)", PAGE)
    assert len(headings) > 10
    assert [each.strip() for each in headings if "{{" not in each and each.strip() not in PLAIN] == []


def test_a_word_for_another_is_none_that_has_a_page():
    assert set(MEANT.values()) <= set(WORDS)
    assert set(MEANT).isdisjoint(WORDS)


@pytest.mark.parametrize("label", [*text.ENTRIES, *findings.FACTS, "also seen as"])
def test_the_page_of_a_finding_tells_each_of_its_labels(label):
    assert f"*{label}*" in explanation("finding")


def test_findings_are_verdicts_and_what_else_a_report_tells():
    assert set(FINDINGS) > set(VERDICTS)


def test_a_shell_completes_a_word_and_has_hyphens_in_one_of_several():
    argument = command.params[0]
    found = argument.shell_complete(click.Context(command), "ou")
    assert [each.value for each in found] == ["output", "out-of-memory"]
