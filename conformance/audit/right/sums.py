"""The same terms summed in other orders."""

from conformance.audit.mutants.orders import compensated, in_four_lanes, left_to_right, pairwise, right_to_left, shuffled, summed
from conformance.audit.right.kernel import Right, computed

NARROW = {"dtypes": ("float16", "bfloat16"), "sums": "narrow"}
ROWS = [
    Right("left_to_right", "sums from the first term to the last", computed(summed(left_to_right))),
    Right("right_to_left", "sums from the last term to the first", computed(summed(right_to_left))),
    Right("shuffled", "sums in a shuffled order", computed(summed(shuffled))),
    Right("pairwise", "sums of sums of halves", computed(summed(pairwise))),
    Right("compensated", "Kahan's compensated sums", computed(summed(compensated))),
    Right("in_four_lanes", "four sums side by side, as in a vector", computed(summed(in_four_lanes))),
    Right("half_left_to_right", "half precision: sums in the dtype of the arrays, from the first term to the last", computed(summed(left_to_right)), NARROW),
    Right("half_shuffled", "half precision: sums in the dtype of the arrays, in a shuffled order", computed(summed(shuffled)), NARROW),
]
