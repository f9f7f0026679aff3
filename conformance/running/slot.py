"""What a worker is doing, in memory that its parent shares: it can still be read when the worker is dead."""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
import time

_CASE = struct.Struct("=QQ")  # chunk, number of the case in it
_CALL = struct.Struct("=d48s")  # since when in this function (0: outside of it), and its name
_DROPPED = struct.Struct("=Q")  # written by the parent: the chunk whose answers nobody waits for any more
_CALL_AT, _DROPPED_AT = _CASE.size, _CASE.size + _CALL.size
_SIZE = mmap.PAGESIZE

ORACLE = "oracle"  # in place of a function's name


class Slot:
    """Shared between a worker, which writes, and its parent, which reads; both map the same unnamed file."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._seen: mmap.mmap | bytes = self._memory  # what the parent reads

    @classmethod
    def new(cls) -> Slot:
        with tempfile.TemporaryFile() as file:
            file.truncate(_SIZE)
            return cls(os.dup(file.fileno()))

    def close(self) -> None:
        self._memory.close()
        os.close(self.descriptor)

    # The worker writes.

    def begin(self, chunk: int, number: int) -> None:
        _CALL.pack_into(self._memory, _CALL_AT, 0.0, b"")
        _CASE.pack_into(self._memory, 0, chunk, number)

    def end(self) -> None:
        _CASE.pack_into(self._memory, 0, 0, 0)

    def enter(self, function: str) -> None:
        _CALL.pack_into(self._memory, _CALL_AT, time.monotonic(), function.encode()[:48])

    def leave(self) -> None:
        struct.pack_into("=d", self._memory, _CALL_AT, 0.0)

    @property
    def dropped(self) -> int:
        return int(_DROPPED.unpack_from(self._memory, _DROPPED_AT)[0])

    # The parent reads.

    def drop(self, chunk: int) -> None:
        _DROPPED.pack_into(self._memory, _DROPPED_AT, chunk)

    def freeze(self) -> None:
        """Keep what stands here now: the worker is about to be ended, and may still go on."""
        self._seen = bytes(self._memory)

    def case_of(self, chunk: int) -> int | None:
        """The number of the case in hand; None where none of this chunk is."""
        in_hand, number = _CASE.unpack_from(self._seen, 0)
        return int(number) if in_hand == chunk else None

    @property
    def since(self) -> float:
        return float(_CALL.unpack_from(self._seen, _CALL_AT)[0])

    @property
    def function(self) -> str:
        """The function in hand, or the last one that this case called."""
        return bytes(_CALL.unpack_from(self._seen, _CALL_AT)[1]).rstrip(b"\0").decode(errors="replace")
