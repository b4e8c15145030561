"""The bounds that hold for one connection."""

from __future__ import annotations

from dataclasses import dataclass, fields

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The bounds that hold for one connection, the same on every wire."""

    max_message_size: int = 64 * MIB
    """The largest message that is sent or accepted, in bytes."""

    handshake_timeout: float = 30.0
    """How long a new peer may take to send its first message, in seconds."""

    send_timeout: float = 60.0
    """How long a peer may leave one message waiting before it is dropped, in seconds."""

    max_waiting_size: int = MIB
    """What may wait for a peer that does not read, in bytes: besides at most one message that is
    larger and what the transport takes. Changes beyond it are not lost: they are sent as one
    difference later. A peer that makes more replies wait is dropped."""

    max_awareness_size: int = MIB
    """What the awareness states that one peer brings may take together, in bytes of JSON."""

    close_timeout: float = 5.0
    """How long the end of a connection may take, with what is still to be sent, in seconds."""

    def __post_init__(self) -> None:
        """Refuse bounds that would forbid everything.

        Raises:
            ValueError: A bound is not positive.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"{field.name} must be positive, not {value!r}")
