"""Threads that take turns between the lines of a kernel."""

import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from conformance.audit import mutants
from conformance.cases import Case
from conformance.kernels import reference, turns
from conformance.kernels.call import Caller
from conformance.kernels.subject import Subject
from conformance.kernels.turns import Turns
from conformance.requirements.threads import check_threads


def kernel(text, **known):
    """The function `kernel` of a module that is none of the suite's."""
    module = known | {"__name__": "kernels"}
    exec(text, module)
    return module["kernel"]


def taken(call, seed="seed", count=4, times=3, alone=0):
    """What the calls of each thread return."""
    given = Turns(seed, count, alone)
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda i: given.calls(i, lambda: call(i), times), range(count)))


@pytest.fixture
def patient(monkeypatch):
    """No thread loses its turn because the machine is busy: for kernels that wait for nothing."""
    monkeypatch.setattr(turns, "_PATIENCE", 600)


def order(seed):
    """The threads in the order in which they ran the lines of a kernel."""
    seen: list[int] = []
    text = "def kernel(i):\n    for _ in range(20):\n        seen.append(i)\n"
    taken(kernel(text, seen=seen), seed)
    return seen


@pytest.mark.usefixtures("patient")
def test_the_order_is_that_of_the_seed():
    first = order("one")
    assert first == order("one") == order("one")
    assert first != order("another")


@pytest.mark.usefixtures("patient")
def test_then_all_go_abreast_later_some_pass():
    later = order("one")[80:]
    assert later[:40] == [0, 1, 2, 3] * 10
    assert any(a == b for a, b in itertools.pairwise(later))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("alone", "first"), [(0, [0, 1, 1, 0, 2, 2, 3, 3]), (1, [0, 0, 1, 1, 2, 2, 3, 3])])
def test_first_another_makes_its_whole_call_where_one_has_written(alone, first):
    text = "def kernel(i):\n    seen.append(i)\n    seen.append(i)\n"
    seen: list[int] = []
    taken(kernel(text, seen=seen), times=1, alone=alone)
    assert seen == first


HALF_FILLED = {
    "after its flag": ("", "READY = True", "TABLE[:] = [1, 2]"),
    "a row at a time": ("", "READY = True", "TABLE[0] = 1", "TABLE[1] = 2"),
    "by a method": ("", "READY = True", "TABLE.insert(0, 1)", "TABLE.insert(1, 2)"),
    "after memory of its own": ("own = [0]; own[0] = i", "READY = True", "TABLE[:] = [1, 2]"),
    "before its flag": ("", "TABLE[:] = [1, 2]", "READY = True"),
}


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("fills", "lines"), HALF_FILLED.items(), ids=HALF_FILLED)
def test_a_table_is_met_half_filled(fills, lines):
    own, *rest = lines
    body = "".join(f"        {line}\n" for line in rest)
    text = f"""READY, TABLE = False, [0, 0]
def kernel(i):
    global READY
    {own}
    if not READY:
{body}    return TABLE[:2]
"""
    met = [taken(kernel(text), times=1, alone=alone) for alone in range(3)]
    assert all(answers == [[[1, 2]]] * 4 for answers in met) is (fills == "before its flag")


@pytest.mark.usefixtures("patient")
def test_what_one_writes_the_others_write_before_it_reads():
    text = "def kernel(i):\n    kept[0] = i\n    return kept[0]\n"
    assert [answers[1] for answers in taken(kernel(text, kept=[None]))] == [3, 3, 3, 3]


def test_threads_that_wait_for_each_other_come_through():
    text = "def kernel(i):\n    with lock:\n        j = i\n        return j\n"
    assert taken(kernel(text, lock=threading.Lock())) == [[i] * 3 for i in range(4)]


def test_threads_that_meet_come_through():
    text = "def kernel(i):\n    j = i\n    barrier.wait()\n    return j\n"
    assert taken(kernel(text, barrier=threading.Barrier(4))) == [[i] * 3 for i in range(4)]


@pytest.mark.usefixtures("patient")
def test_nobody_stands_in_the_midst_of_an_import(tmp_path, monkeypatch):
    (tmp_path / "imported_by_a_kernel.py").write_text("one = 1\ntwo = 2\nthree = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = "def kernel(i):\n    from imported_by_a_kernel import three\n    return three\n"
    assert taken(kernel(text)) == [[3] * 3] * 4


def test_a_kernel_of_many_lines_is_let_go():
    text = (
        "def kernel(i):\n    for j in range(20_000):\n        i = i + 1\n    return sys.gettrace() is None\n"
    )
    assert taken(kernel(text, sys=sys), times=1) == [[True]] * 4


def test_a_thread_that_raises_holds_nobody_up():
    text = "def kernel(i):\n    if i == 2:\n        raise KeyboardInterrupt\n    return i\n"
    with pytest.raises(KeyboardInterrupt):
        taken(kernel(text))


def test_a_mistake_in_threads_is_seen_each_time():
    name = "avg_pool2d_output_not_safe_in_threads_images_of_4096_pixels_or_more_share_one_workspace"
    case = Case.parse("avg_pool2d channels=8 image=34,36 kernel=2,2")
    caller = Caller(Subject(mutants.named(name).subject(), name=name))
    for _ in range(5):
        assert any(judgement.failed for judgement in check_threads(caller, reference.answer, case))
