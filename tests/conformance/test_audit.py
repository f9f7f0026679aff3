"""The audit: a mutant is caught and named, one that is right survives, right kernels are not accused."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from conformance import audit
from conformance.cases import Case
from conformance.cases.covering import covering
from conformance.kernels import mutants, right


@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        ("conv2d_output_stride_swapped", "exact"),
        ("conv2d_output_Q_tail_of_32_unwritten", "sizes"),
        ("conv2d_answers_stride_0", "arguments"),
        ("max_pool2d_forward_answers_big_endian", "contract"),
    ],
)
def test_a_mutant_is_caught_by_the_requirement_made_for_it(name, requirement):
    kill = audit._judged(name, "quick")
    assert kill.requirement == requirement
    assert kill.named or not mutants.ALL[name].pure


def test_a_mutant_that_is_right_survives(monkeypatch):
    harmless = replace(mutants.ALL["conv2d_output_stride_swapped"], name="harmless", when="False")
    monkeypatch.setitem(mutants.ALL, "harmless", harmless)
    monkeypatch.setattr(audit, "_order", lambda mutant, profile: list(order(mutant, profile))[:1])
    kill = audit._judged("harmless", "quick")
    assert not kill.caught
    assert not audit.Audit([kill]).passed
    assert "SURVIVED harmless" in audit.Audit([kill]).summary(1.0)


order = audit._order


@pytest.mark.parametrize("name", ["last_of_equals", "winograd"])
def test_a_declared_right_kernel_is_not_accused(name, monkeypatch):
    assert name in right.ALL
    monkeypatch.setattr("conformance.requirements.Plan.covering", lambda plan: _some(plan))
    assert audit._accused(name, "quick") == []


def _some(plan):
    cases = list(covering(plan.operation, plan.features))
    return iter(cases[:: max(1, len(cases) // 8)])


def test_rounds_ask_every_case_of_every_unit_once(monkeypatch):
    seeds = {"whole": range(6), "first": range(10, 15), "second": range(20, 22)}
    cases = {name: [Case.of("conv2d", seed=seed) for seed in of] for name, of in seeds.items()}
    monkeypatch.setattr(audit, "_cases", lambda requirement, plan: cases[requirement])
    monkeypatch.setattr(audit, "FIRST_ROUND", 1)
    units = [(SimpleNamespace(name=name), None) for name in cases]
    asked = [case.seed for _, _, case in audit._in_rounds(units, ["whole"])]
    assert asked == [0, 1, 2, 3, 4, 5, 10, 20, 11, 12, 13, 14, 21]
