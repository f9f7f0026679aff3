"""What is asked of one operation in one dtype, and the cases that several requirements draw from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance.cases import Case, covering, networks, scope, sizes
from conformance.cases.features import Features
from conformance.cases.named import named
from conformance.operations import DTYPES, OPERATIONS, Family
from conformance.operations.dtypes import REAL

TRANSFORMS = ("winograd", "fft")  # accuracies of kernels that multiply transforms of whole tiles
PROFILES = ("quick", "standard", "deep")


@dataclass(frozen=True)
class Plan:
    """What is asked of one operation in one dtype: the features claimed decide which cases are built.

    numbers   the conditions that its source has (see cases.conditions); unread: why nobody knows
    """

    operation: str
    dtype: str
    features: Features
    profile: str = "standard"
    seed: int = 0
    accuracy: str = "direct"
    sums: str = "wide"
    ties: str = "first"
    blocks: tuple[int, ...] = ()
    numbers: tuple[str, ...] = ()
    unread: str = ""
    first: bool = True  # whether it asks what has nothing to do with the dtype

    @property
    def family(self) -> Family:
        return OPERATIONS[self.operation].family

    @property
    def transforms(self) -> bool:
        """Whether the kernel multiplies transforms of its arrays, which a pooling never does."""
        return self.accuracy in TRANSFORMS and self.family.bilinear

    @property
    def integers(self) -> str:
        """Transforms of large integers are not exact: a kernel that declares them is asked small ones."""
        return "small_integers" if self.transforms else "integers"

    @property
    def scaled(self) -> tuple[str, ...]:
        """Values of other magnitudes that are exact, too; none of an integer format is tiny."""
        return () if self.transforms else ("large", "tiny") if DTYPES[self.dtype].rounds else ("large",)

    @property
    def keeps_subnormals(self) -> bool:
        """Whether sums of products of subnormal numbers are exact, or round once: as PyTorch has them by default."""
        return DTYPES[self.dtype].kind == REAL and DTYPES[self.dtype].rounds and not self.family.error

    @property
    def overflows(self) -> bool:
        """Whether sums of products are held in a format of larger numbers, so that only the answer overflows."""
        held = self.sums == "wide" and not self.transforms
        return self.family.bilinear and held and DTYPES[self.dtype].overflows

    @property
    def values(self) -> tuple[str, ...]:
        """The families of values that a case may have; what is exact, or bounded, or special follows from them."""
        rounds, chosen = DTYPES[self.dtype].rounds, self.family.chosen
        real = ("mean_zero", "non_negative", "spread") if rounds else ()
        beyond = ("overflowing",) if self.overflows else ()
        special = () if self.transforms else ("special",)
        few = ("ties",) if chosen or self.family.ties else ()
        close = ("close",) if chosen and rounds else ()
        return (self.integers, "uniform", *self.scaled, *real, *beyond, *special, *few, *close)

    @property
    def exhaustive(self) -> bool:
        """Whether its exact cases leave no gap in the small scope; once, whatever the dtypes."""
        return self.first and self.profile != "quick"

    def exhausted(self) -> scope.Exhausted | None:
        return scope.exhausted(self.operation, self.features, self.profile == "deep", self.integers)

    def with_values(self, cases: Iterator[Case], values: str) -> Iterator[Case]:
        made = (values, self.dtype)
        return (
            case if (case.values, case.dtype) == made else replace(case, values=values, dtype=self.dtype)
            for case in cases
        )

    def covering(self) -> Iterator[Case]:
        return covering.covering(self.operation, self.features)

    def explore(self, quick: int, standard: int, deep: int) -> Iterator[Case]:
        count = {"quick": quick, "standard": standard, "deep": deep}[self.profile]
        return covering.explore(self.operation, self.features, count, self.seed)

    def named(self, section: str = "named") -> Iterator[Case]:
        return named(section, self.operation, self.features)

    def large(self, quick: int, standard: int, deep: int) -> Iterator[Case]:
        """Sizes for which a kernel takes other paths: layers of networks, extremes, and several large extents at once.

        The paths are the same in every dtype: after the first, a third of the cases does (in the deep profile all).
        """
        claimed = (self.operation, self.features)
        count = {"quick": quick, "standard": standard, "deep": deep}[self.profile]
        yield from self.named("layers")
        every = (networks.layers(*claimed), sizes.grouped(*claimed), sizes.crossed(*claimed))
        built = every if self.profile != "quick" else ()
        drawn = itertools.chain(*built, sizes.mixed(*claimed, count, self.seed))
        yield from itertools.islice(drawn, 0, None, 1 if self.first or self.profile == "deep" else 3)
