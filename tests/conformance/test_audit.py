"""The audit: a mutant is caught and named, one that is right survives, right kernels are not accused."""

import multiprocessing
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from conformance.audit import mutants, right, runner
from conformance.audit.minimal import killed, minimal, sample
from conformance.audit.report import Audit, Kill, Minimal
from conformance.cases import Case
from conformance.cases.covering import covering


@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        ("conv2d_output_stride_of_height_and_width_swapped", "exact"),
        ("conv2d_output_columns_of_the_output_past_the_last_whole_block_of_32_are_not_written", "sizes"),
        ("conv2d_output_a_stride_below_1_is_taken_for_1", "arguments"),
        ("max_pool2d_output_the_bytes_of_the_answer_are_in_the_other_order", "contract"),
    ],
)
def test_a_mutant_is_caught_by_the_requirement_made_for_it(name, requirement):
    mutant = mutants.named(name)
    kill = runner.judged(mutant, "quick")
    assert kill.requirement == requirement
    assert kill.named or not mutant.pure


def test_a_mutant_that_is_right_survives(monkeypatch):
    harmless = replace(mutants.of("conv2d")[0], name="harmless", when="False")
    monkeypatch.setattr(runner, "_order", lambda mutant, profile: list(order(mutant, profile))[:1])
    kill = runner.judged(harmless, "quick")
    assert not kill.caught
    assert not Audit([kill]).passed
    assert "SURVIVED harmless" in Audit([kill]).summary(1.0)


order = runner._order


@pytest.mark.parametrize("name", ["last_of_equals", "winograd"])
def test_a_declared_right_kernel_is_not_accused(name, monkeypatch):
    assert name in right.ALL
    monkeypatch.setattr("conformance.requirements.Plan.covering", lambda plan: _some(plan))
    assert runner._accused(name, "quick", runner.measured()) == []


def _some(plan):
    cases = list(covering(plan.operation, plan.features))
    return iter(cases[:: max(1, len(cases) // 8)])


def test_rounds_ask_every_case_of_every_unit_once(monkeypatch):
    seeds = {"whole": range(6), "first": range(10, 15), "second": range(20, 22)}
    cases = {name: [Case.parse(f"conv2d seed={seed}") for seed in of] for name, of in seeds.items()}
    monkeypatch.setattr(runner, "_cases", lambda requirement, plan: cases[requirement])
    monkeypatch.setattr(runner, "FIRST_ROUND", 1)
    units = [(SimpleNamespace(name=name), None) for name in cases]
    asked = [case.seed for _, _, case in runner._in_rounds(units, ["whole"])]
    assert asked == [0, 1, 2, 3, 4, 5, 10, 20, 11, 12, 13, 14, 21]


# Minimal mutants.


@pytest.mark.parametrize(
    ("kills", "names"),
    [
        ({"a": {1, 2}, "b": {1}, "c": {2, 3}}, ["b", "c"]),  # every case that kills b kills a
        ({"a": {1}, "b": {1}, "c": {1, 2}}, ["a"]),  # a stands for b, which dies alike
        ({"alive": set(), "a": {1}}, ["a"]),
        ({"alive": set()}, []),
    ],
)
def test_a_mutant_is_minimal_where_no_death_of_another_implies_its_own(kills, names):
    assert minimal({name: frozenset(cases) for name, cases in kills.items()}) == names


def test_a_mutant_is_killed_by_the_cases_that_it_answers_otherwise():
    name = "conv2d_output_bias_subtracted"
    biased = {number for number, case in enumerate(sample("conv2d")) if case.bias}
    kills = killed([name], "conv2d")[name]
    assert kills <= biased
    assert min(kills) == min(biased)


def test_the_sample_is_the_same_every_time():
    assert list(sample("max_pool2d")) == list(sample("max_pool2d"))


def test_the_summary_counts_the_minimal_mutants():
    audit = Audit([Kill("a", "conv2d", "wrong", requirement="exact")], Minimal(("a",), 3, 40))
    assert "1 of 3 mutants that 40 cases kill are minimal" in audit.summary(1.0)
    assert audit.as_data()["minimal"] == {"names": ("a",), "killed": 3, "cases": 40}


def test_a_pool_that_is_left_early_ends_without_a_word(monkeypatch):
    said: list[object] = []
    monkeypatch.setattr(threading, "excepthook", said.append)
    with pytest.raises(KeyboardInterrupt):
        _leave_early(monkeypatch)
    assert said == []


def _leave_early(monkeypatch):
    """Interrupted after the first of many; that its process is killed is seen by the pool before anything else."""
    with runner.pool(1) as workers:
        kills = runner.kills(workers, runner.chosen(["conv2d"])[:20], "quick")
        next(kills)
        kills.close()
        (process,), manager = multiprocessing.active_children(), workers._executor_manager_thread

        def kill():
            process.kill()
            manager.join()

        monkeypatch.setattr(multiprocessing, "active_children", lambda: [SimpleNamespace(kill=kill)])
        raise KeyboardInterrupt
