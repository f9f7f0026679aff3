"""What a page says of its own words."""

import re

import pytest

from conformance.explanations import KINDS, explanation
from conformance.reports.html.words import THERE, anchor_of, words


def report_with(verdict="conforms", rows=(), **more):
    plain = {
        "verdict": verdict,
        "failures": [],
        "advice": [],
        "stale_known_failures": [],
        "unreached": {"places": []},
        "conclusion": {"words": verdict},
        "exhausted": [],
        "summations": [],
        "coverage": [],
        "baseline": None,
    }
    units = [
        {"requirement": requirement, "output": output, "verdict": of_row}
        for requirement, output, of_row in rows
    ]
    return plain | {"rows": units} | more


def names(**data):
    return [word.name for word in words(report_with(**data))]


def test_the_words_are_those_of_the_page_in_the_order_of_the_explanations():
    rows = [("special", "grad_input", "not claimed"), ("exact", "output", "conforms")]
    of_rows = ["share of the bound", "sampled"]
    every = ["exact", "special", "output", "grad_input", "conforms", "not claimed", *of_rows]
    assert names(rows=rows) == every


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"failures": [{"status": "differs", "also": [{"status": "crashed", "also": []}]}]}, "crashed"),
        ({"advice": [{}]}, "advice"),
        ({"stale_known_failures": ["conv2d"]}, "stale known failure"),
        ({"unreached": {"places": [{}]}}, "no case ran"),
        ({"verdict": "interrupted"}, "interrupted"),
        ({"conclusion": {"words": "conforms where asked but for 1 known failure"}}, "conforms where asked"),
        ({"failures": [{"status": "differs", "also": []}]}, "finding"),
        ({"exhausted": [{}]}, "exhausted"),
        ({"summations": [{}]}, "order of sums"),
        ({"coverage": [{}]}, "coverage"),
        ({"baseline": {"file": "known.json"}}, "baseline"),
    ],
)
def test_a_word_that_stands_beside_the_table_is_explained(more, word):
    assert word in names(**more)


def test_a_word_that_this_version_does_not_know_is_left_out():
    assert "of tomorrow" not in names(rows=[("of tomorrow", "output", "conforms")])


def test_what_a_page_has_a_part_for_is_explained_or_is_a_row_of_it():
    assert set(THERE) <= {*KINDS["findings"], *KINDS["terms"]}


def test_headings_stand_below_that_of_the_word():
    (word, *_) = words(report_with(rows=[("exact", "output", "conforms")]))
    assert re.findall(r"<h(\d)>([\w ]+)", word.html)[:2] == [("4", "What is asked"), ("4", "Why")]


def test_a_link_leads_to_a_word_of_the_page_and_is_a_word_where_that_is_not_there():
    alone, *_ = words(report_with(rows=[("exact", "output", "conforms")]))
    both = {
        word.name: word
        for word in words(
            report_with(rows=[("exact", "output", "conforms"), ("rounding", "output", "conforms")])
        )
    }
    assert "rounding" in alone.html and "href" not in alone.html
    assert f'<a href="#{both["rounding"].anchor}">rounding</a>' in both["exact"].html


@pytest.mark.parametrize("word", [word for kind in KINDS.values() for word in kind])
def test_every_explanation_can_stand_in_a_page(word):
    every = [("exact", each, "conforms") for each in KINDS["outputs"]]
    every += [(each, "output", "conforms") for each in KINDS["requirements"]]
    every += [("exact", "output", each) for kind in ("findings", "terms") for each in KINDS[kind]]
    found = {each.name: each for each in words(report_with(rows=every))}[word]
    assert found.anchor == anchor_of(word)
    first = explanation(word).split("\n\n")[1].split("`")[0].split()[0]
    assert first.strip(".,:") in re.sub(r"<[^>]+>", "", found.html)
    assert ".md" not in found.html
