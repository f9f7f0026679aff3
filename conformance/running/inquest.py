"""What a death means: a case is to blame where it ends a process again, by itself, in a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from conformance.cases import Case
from conformance.cases.case import ANSWERS
from conformance.cases.shrink import cost
from conformance.kernels import double_backward
from conformance.requirements import REQUIREMENTS
from conformance.running.deaths import RETRIES, Death
from conformance.running.jobs import Chunk
from conformance.running.slot import ORACLE
from conformance.running.worker import of_oracle
from conformance.verdicts.judgement import Judgement

# Requirement, case, "forward" or "backward" for one half; and where it is called several times, the limit of each call.
Alone = Callable[..., list[Judgement] | Death]

HURRY = 5  # a function that is known to hang gets such a part of its time
COMPILATION = 3  # as many limits may a first call take that compiles


class Inquest:
    """Looks into deaths, and remembers them: what is known already costs no further process."""

    def __init__(self, alone: Alone, oracle: str, timeout: float, memory: int) -> None:
        self._alone, self.oracle = alone, oracle
        self.timeout, self.memory = timeout, memory
        self._died: dict[Case, str] = {}  # cases that end the process, and how
        self._stray: set[str] = (
            set()
        )  # operations that write outside of their arrays: any later call may die of it
        self._hung: set[tuple[str, Case]] = set()  # functions that took all of the time limit, and where
        self._slow: set[str] = set()  # functions that hung and later answered
        self._compiling: set[str] = set()  # those of them that were quick when they were called again

    @property
    def limits(self) -> dict[str, float]:
        """Limits of functions that need another one: of those that hung and never answered, or that compile."""
        return self.longer | dict.fromkeys(self._hanging - self._slow, self.timeout / HURRY)

    @property
    def longer(self) -> dict[str, float]:
        return dict.fromkeys(self._compiling, self.timeout * COMPILATION)

    @property
    def _hanging(self) -> set[str]:
        return {function for function, _ in self._hung}

    @property
    def ran_out_of_memory(self) -> bool:
        return "out of memory" in self._died.values()

    def look_into(self, chunk: Chunk, death: Death, *, patient: bool = False) -> list[Judgement]:
        """What the death says: of the subject only if it comes back when the case is judged alone, in a new process.

        patient   a hang is believed only of a case that has had all of its time
        """
        case, requirement = chunk.cases[0], chunk.job.requirement
        if self._is_new(case, death, patient):
            again = self._again(requirement, case, death)
            if not isinstance(again, Death):
                return self._answered_alone(chunk, death, again)
            death = again
        if death.hung:
            waited = death.hung >= self.timeout or (death.function, case) in self._hung
            death = replace(death, hung=self.timeout, hurried=not waited)
        if death.function in ("", ORACLE) and isinstance(alone := self._alone(ORACLE, case), Death):
            return [of_oracle("died", f"{self.oracle} {alone}")]
        return self._blame(requirement, case, death)

    def _is_new(self, case: Case, death: Death, patient: bool) -> bool:
        """Whether a death must come back before it is believed; of a function that is known to hang, few must."""
        if not death.hung:
            return self._died.get(case) != death.status
        if death.hung >= self.timeout:
            return death.function not in self._hanging
        hung = [other for function, other in self._hung if function == death.function]
        return case not in hung and (patient or not any(cost(other) <= cost(case) for other in hung))

    def _again(self, requirement: str, case: Case, death: Death) -> list[Judgement] | Death:
        """Judged alone, and again where somebody else may have killed the process."""
        if death.hung and death.function not in self._hanging | {ORACLE}:
            return self._compiled(requirement, case, death)
        for _ in range(RETRIES - 1):
            again = self._alone(requirement, case)
            if not isinstance(again, Death) or not again.from_outside:
                break
        return again

    def _compiled(self, requirement: str, case: Case, death: Death) -> list[Judgement] | Death:
        """Judged alone where a function hangs for the first time: it may compile.

        Then its first call in a process takes long, and the second keeps to the limit.
        """
        again = self._alone(requirement, case, limits=(self.timeout / HURRY,))
        if isinstance(again, Death) and again.hung:
            again = self._alone(requirement, case, limits=(COMPILATION * self.timeout, self.timeout))
            self._compiling |= set() if isinstance(again, Death) else {death.function}
        return again

    def _answered_alone(self, chunk: Chunk, death: Death, judgements: list[Judgement]) -> list[Judgement]:
        """Alone the case is answered: a finding only where neither a lower limit nor somebody else explains that."""
        case = chunk.cases[0]
        if death.hung:
            self._slow.add(death.function)
            chunk.job.limits = self.limits
        enough = self.longer.get(death.function, self.timeout)
        hurried = death.hung and (death.hung < enough or death.function == ORACLE)
        limited = hurried or (death.full and chunk.job.memory < self.memory)
        if limited or death.from_outside or not death.function or case.operation in self._stray:
            return judgements
        words = "; not when it runs alone: an earlier call wrote where it must not, or left a thread running"
        return _with_rest(ends_in(death, case, words), judgements)

    def _blame(self, requirement: str, case: Case, death: Death) -> list[Judgement]:
        """The outputs of the function that died get the death, the others are judged without it."""
        self._died[case] = death.status
        self._hung |= {(death.function, case)} if death.hung and not death.hurried else set()
        doubtful = not death.inside or case.operation in self._stray  # another call may have done the damage
        if doubtful and isinstance(self._alone(requirement, case, _half(death.function)), list):
            death = replace(death, function=_other(death.function))
        dead = ends_in(death, case)
        rest = self._alone(requirement, case, _half(_other(death.function)))
        if isinstance(rest, Death):
            rest = ends_in(rest, case)
        if REQUIREMENTS[requirement].guarded and (access := self._access(requirement, case)):
            dead = [judgement._replace(message=f"{access}: {judgement.message}") for judgement in dead]
        return _with_rest(dead, (judgement for judgement in rest if judgement.claimed))

    def _access(self, requirement: str, case: Case) -> str:
        """What a kernel did to the one guarded array of a case, as guarding it less shows: reads beyond input."""
        unguarded = replace(case, layout="")
        if len(case.views) != 1 or not isinstance(self._alone(requirement, unguarded), list):
            return ""
        ((array, view),) = case.views.items()
        milder = replace(case, layout=f"{array}:{view.replace('guard', 'read_only')}")
        verb = "writes" if isinstance(self._alone(requirement, milder), Death) else "reads"
        place = "an array that it allocates" if array == ANSWERS else array
        self._stray |= {case.operation} if verb == "writes" else set()
        return f"{verb} {'beyond' if view.startswith('ends') else 'before'} {place}"


def ends_in(death: Death, case: Case, words: str = "") -> list[Judgement]:
    """The outputs of the function that died."""
    backward = death.function.endswith("_backward")
    twice = death.function.endswith(double_backward.SUFFIX)
    every = double_backward.OUTPUTS if twice else case.outputs
    outputs = [output for output in every if twice or (output in case.gradients) == backward]
    return [Judgement(output, death.status, float("inf"), True, f"{death}{words}") for output in outputs]


def _with_rest(dead: list[Judgement], rest: Iterable[Judgement]) -> list[Judgement]:
    outputs = {judgement.output for judgement in dead}
    return dead + [judgement for judgement in rest if judgement.output not in outputs]


def _half(function: str) -> str:
    return "backward" if function.endswith("_backward") else "forward"


def _other(function: str) -> str:
    if function.endswith(double_backward.SUFFIX):
        return function  # it has no other half
    backward = function.endswith("_backward")
    return function.removesuffix("_backward") if backward else f"{function}_backward"
