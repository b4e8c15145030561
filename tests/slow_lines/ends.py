"""Both ends of a zmq connection without a socket: what is sent is carried when the test says so."""

from __future__ import annotations

from collections import deque

from anyio import BrokenResourceError

from ycore.limits import Limits
from ywire_zmq.channel import ZmqChannel

__all__ = ["End", "connected_ends"]


class End(ZmqChannel):
    """One end."""

    def __init__(self, limits: Limits, *, is_awaited: bool) -> None:
        super().__init__("room", peer="the other end", limits=limits)
        self._is_awaited = is_awaited
        self.under_way: deque[bytes] = deque()
        """What was sent and not carried yet."""
        self.is_full = False
        """Whether the socket takes nothing."""
        self.is_broken = False
        self.other: End

    def carry(self) -> None:
        """Carry all that was sent to the other end, and what is answered, until all is quiet."""
        while self.under_way or self.other.under_way:
            for end in (self, self.other):
                if end.under_way:
                    end.other.deliver(end.under_way.popleft())

    def _transmit(self, frame: bytes) -> bool:
        if self.is_broken:
            raise BrokenResourceError
        if not self.is_full:
            self.under_way.append(frame)
        return not self.is_full

    def _release(self, *, told: bool) -> None:
        pass


def connected_ends(*, are_awaited: bool = True, **limits: float) -> tuple[End, End]:
    """Return both ends of a connection.

    Args:
        are_awaited: Whether it is as if somebody had received already, at each end.
        limits: Of both.
    """
    one, other = (
        End(Limits(**limits), is_awaited=are_awaited)  # type: ignore[arg-type]
        for _ in range(2)
    )
    one.other, other.other = other, one
    return one, other
