"""Arrays that end right at a page nobody may touch, or start right after one: one element too far faults at once.

On Linux and macOS. Only for kernels that run in a worker process, which such a fault ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NONE, READ, WRITE = 0, 1, 2  # protections of a page, as mprotect takes them


@dataclass(frozen=True)
class Guard:
    """Where the guarded page lies, and what may still be done to it."""

    ends: bool
    protection: int

    def __call__(self, array: Array) -> Array:
        room = Room(array.nbytes, self, alignment=1)
        placed: Array = np.ndarray(array.shape, array.dtype, room.memory, room.start)
        placed[...] = array
        return placed


GUARDS: dict[str, Guard] = {
    "ends_at_guard": Guard(ends=True, protection=NONE),
    "starts_after_guard": Guard(ends=False, protection=NONE),
    # where reading is allowed, a kernel that faults writes
    "ends_at_read_only": Guard(ends=True, protection=READ),
    "starts_after_read_only": Guard(ends=False, protection=READ),
}

UNGUARDED = Guard(ends=True, protection=READ | WRITE)  # but poisoned, and with a canary


class Room:
    """Memory between two guarded pages; freed with the last array in it."""

    def __init__(self, size: int, guard: Guard, alignment: int) -> None:
        page = mmap.PAGESIZE
        inside = max(1, -(-size // page)) * page
        self.size = size
        self.memory = mmap.mmap(-1, inside + 2 * page, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.start = page + ((inside - size) // alignment * alignment if guard.ends else 0)
        self.end = page + inside  # up to here it may be touched; what lies behind `size` holds the canary
        self.memory[self.start + size : self.end] = _CANARY * (self.end - self.start - size)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.address = base + self.start
        for guarded in (base, base + self.end):
            if _mprotect(guarded, page, guard.protection):
                raise OSError(ctypes.get_errno(), "mprotect")

    @property
    def intact(self) -> bool:
        beyond = self.memory[self.start + self.size : self.end]
        return beyond == _CANARY * len(beyond)


_CANARY = b"\xa5"


def _mprotect(address: int, size: int, protection: int) -> int:
    return int(_libc().mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), protection))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


# What a kernel allocates with NumPy: np.empty, np.zeros and every temporary.

POISON = 0xFF  # fresh memory is full of it: NaN as a float, -1 as an index


def never_written(array: Array) -> Array:
    """Where the elements are still as the memory was handed out."""
    raw = np.ascontiguousarray(array).view(np.uint8).reshape(*array.shape, array.itemsize)
    return np.asarray((raw == POISON).all(axis=-1))


@dataclass
class Allocations:
    """The memory that NumPy handed out, by address, and whether a canary behind some of it was written over."""

    guard: Guard
    rooms: dict[int, Room] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)  # of the present call
    overrun: bool = False

    def malloc(self, _: int, size: int) -> int:
        return self._new(size, POISON)

    def calloc(self, _: int, count: int, size: int) -> int:
        return self._new(count * size, 0)

    def realloc(self, _: int, address: int, size: int) -> int:
        fresh = self._new(size, POISON)
        if address:
            ctypes.memmove(fresh, address, min(size, self.rooms[address].size))
            self.free(0, address, 0)
        return fresh

    def free(self, _: int, address: int, __: int) -> None:
        if room := self.rooms.pop(address, None):
            self.overrun |= address in self.fresh and not room.intact
            self.fresh.discard(address)

    def _new(self, size: int, value: int) -> int:
        room = Room(size, self.guard, alignment=16)  # as malloc aligns it
        if value:
            room.memory[room.start : room.start + size] = bytes([value]) * size
        self.rooms[room.address] = room
        self.fresh.add(room.address)
        return room.address

    @property
    def overran(self) -> bool:
        rooms = [
            self.rooms.get(address) for address in tuple(self.fresh)
        ]  # looking may collect garbage: some go
        return self.overrun or not all(room.intact for room in rooms if room)


@contextlib.contextmanager
def allocations(guard: Guard) -> Iterator[Allocations]:
    """Inside, this thread's NumPy arrays are allocated between guarded pages (NEP 49)."""
    given, capsule = _handler_of(guard)
    given.fresh.clear()
    given.overrun = False
    before = _set_handler(capsule)
    try:
        yield given
    finally:
        _set_handler(before)


class _Functions(ctypes.Structure):
    malloc_type = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)
    calloc_type = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)
    free_type = ctypes.CFUNCTYPE(None, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)
    _fields_ = (
        ("context", ctypes.c_void_p),
        ("malloc", malloc_type),
        ("calloc", calloc_type),
        ("realloc", calloc_type),
        ("free", free_type),
    )


class _Handler(ctypes.Structure):
    """PyDataMem_Handler of NumPy 1.22 and later."""

    _fields_ = (("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("functions", _Functions))


_SET_HANDLER = 304  # place of PyDataMem_SetHandler in NumPy's table of functions, fixed since 1.22
_kept: list[Any] = []  # arrays free their memory through their handler whenever they go: it must outlive them


@cache
def _handler_of(guard: Guard) -> tuple[Allocations, Any]:
    given = Allocations(guard)
    malloc, calloc = _Functions.malloc_type(given.malloc), _Functions.calloc_type(given.calloc)
    realloc, free = _Functions.calloc_type(given.realloc), _Functions.free_type(given.free)
    handler = _Handler(b"guarded", 1, _Functions(None, malloc, calloc, realloc, free))
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    _kept.append((handler, malloc, calloc, realloc, free))
    return given, new(ctypes.addressof(handler), b"mem_handler", None)


@cache
def _handler_setter() -> Callable[[Any], Any]:
    core = getattr(np, "_core", None) or np.core  # NumPy 2, NumPy 1
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = ctypes.cast(get(core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    return ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[_SET_HANDLER] or 0)


def _set_handler(handler: Any) -> Any:
    return _handler_setter()(handler)
