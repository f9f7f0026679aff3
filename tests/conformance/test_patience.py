"""When a call counts as hung: not where others have the cores, whatever the clock says."""

import pytest

from conformance.running.patience import GENEROUS, Patience, Spent, readings

LIMIT = 10.0


def is_over(at, *threads, limit=LIMIT):
    """Whether a call that began at 0 is over at a time, its threads having spent this since it was looked at."""
    now, spent = [1.0], [{n: Spent(5.0, 7.0) for n in range(len(threads))}]  # before the call, too
    patience = Patience(0, read=lambda process: spent[0], clock=lambda: now[0])
    assert not patience.is_over(0.5, limit)
    now[0] += at
    spent[0] = {n: Spent(5.0 + computed, 7.0 + waited) for n, (computed, waited) in enumerate(threads)}
    return patience.is_over(0.5, limit)


@pytest.mark.parametrize(
    ("at", "threads", "over"),
    [
        (9.0, [(9.0, 0.0)], False),
        (11.0, [(11.0, 0.0)], True),  # it computes
        (11.0, [(0.0, 0.0)], True),  # it sleeps
        (11.0, [(0.0, 0.0), (0.0, 0.0)], True),  # its threads wait for each other
        (11.0, [(3.0, 8.0)], False),  # others compute
        (50.0, [(9.0, 41.0)], False),
        (50.0, [(11.0, 39.0)], True),
        (50.0, [(0.0, 0.0), (9.0, 41.0)], False),  # it waits for a thread of its own, which waits for a core
        (50.0, [(8.0, 42.0), (8.0, 42.0)], False),  # each thread alone is within its time
        (11.0, [(11.0, 0.0), (2.0, 9.0)], True),
        (11.0, [], False),  # the system does not tell
        (GENEROUS * LIMIT + 1, [], True),
        (GENEROUS * LIMIT + 1, [(1.0, 100.0)], True),
    ],
)
def test_a_call_has_a_limit_of_time_to_itself(at, threads, over):
    assert is_over(at, *threads) is over


def test_a_thread_that_began_in_the_call_counts_as_a_whole():
    now, spent = [1.0], [{1: Spent(5.0, 0.0)}]
    patience = Patience(0, read=lambda process: spent[0], clock=lambda: now[0])
    patience.is_over(0.5, LIMIT)
    now[0], spent[0] = 40.0, {1: Spent(5.0, 0.0), 2: Spent(10.5, 28.5)}
    assert patience.is_over(0.5, LIMIT)


def test_the_next_call_has_all_of_its_time():
    now = [1.0]
    patience = Patience(0, read=lambda process: {1: Spent(now[0], 0.0)}, clock=lambda: now[0])
    patience.is_over(0.5, LIMIT)
    now[0] = 12.0
    assert not patience.is_over(11.5, LIMIT)


def test_a_process_that_is_gone_tells_nothing():
    assert readings(1 << 30) == {}
