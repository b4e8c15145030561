"""What there is to be done in a play, and who does it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "Act",
    "Action",
    "ClientAction",
    "Crash",
    "Cut",
    "Deed",
    "Edit",
    "Edits",
    "Fate",
    "Flood",
    "Flush",
    "Freeze",
    "Join",
    "Leave",
    "Pause",
    "Play",
    "Restart",
    "Resume",
    "Show",
    "Stall",
    "Step",
    "Thaw",
    "Who",
]


@dataclass(frozen=True, slots=True)
class Who:
    """A part in the play: a client of a room, on a wire, which comes and goes."""

    name: str
    room: str
    wire: str
    is_resident: bool
    """It never leaves and never crashes: what it has seen survives even a server without a disk."""
    lag: float
    """How slow its network is, in seconds."""


class Deed(StrEnum):
    """What an edit does; those that only delete leave no trace in a state vector."""

    WRITE = "write into the text"
    ERASE = "erase from the text"
    PUT = "put into the map"
    DROP = "drop from the map"
    INSERT = "insert into the list"
    REMOVE = "remove from the list"
    PLANT = "plant nested types in the tree"
    GROW = "edit nested types"
    PRUNE = "cut nested types from the tree"
    MINT = "add a coin"
    SPEND = "delete a coin"


@dataclass(frozen=True, slots=True)
class Edit:
    """One transaction, as far as it does not depend on what is in the document then."""

    deed: Deed
    where: float
    """From 0 to 1: the place in whatever there is."""
    size: int


@dataclass(frozen=True, slots=True)
class Edits:
    """A client edits, without letting others run in between."""

    who: Who
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Flood:
    """A client types more than connections take at once."""

    who: Who
    turns: int
    size: int
    pace: float


@dataclass(frozen=True, slots=True)
class Flush:
    """A client asks whether its edits have arrived."""

    who: Who


@dataclass(frozen=True, slots=True)
class Show:
    """A client changes its awareness state."""

    who: Who


@dataclass(frozen=True, slots=True)
class Join:
    """A client comes, with the document it had or a new one."""

    who: Who
    with_new_document: bool


@dataclass(frozen=True, slots=True)
class Leave:
    """A client leaves as it should."""

    who: Who


@dataclass(frozen=True, slots=True)
class Crash:
    """The task that holds a client is cancelled, and its document is gone."""

    who: Who
    is_process: bool
    """The network of the client is gone at once, too: it cannot even say goodbye."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A client's connection breaks."""

    who: Who
    after: int
    """After so many more bytes, or at once: mostly in the middle of a message."""


@dataclass(frozen=True, slots=True)
class Stall:
    """The network forwards nothing any more, in one direction or both."""

    who: Who
    up: bool
    down: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """A client stops reading."""

    who: Who


@dataclass(frozen=True, slots=True)
class Resume:
    """A client's network, and its reading, go on."""

    who: Who


class Fate(StrEnum):
    """What becomes of the rooms when servers restart."""

    KEPT = "the rooms are kept"
    RELOADED = "the rooms are loaded from disk"
    LOST = "the rooms are lost"


@dataclass(frozen=True, slots=True)
class Restart:
    """Servers go, and others come to their addresses."""

    wires: tuple[str, ...]
    fate: Fate
    downtime: float
    is_crash: bool
    """The connections break first: nobody is told anything."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Who is in a room may only read: what they edit is refused."""

    room: str


@dataclass(frozen=True, slots=True)
class Thaw:
    """Everybody may write again, and what was refused is asked for."""

    room: str


ClientAction = Edits | Flood | Flush | Show | Join | Leave | Crash | Cut | Stall | Pause | Resume
Action = ClientAction | Restart | Freeze | Thaw


@dataclass(frozen=True, slots=True)
class Step:
    """An action and its time, in seconds from the beginning of the act."""

    at: float
    action: Action


Act = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Play:
    """Everything that happens, in acts; between them everybody comes to rest."""

    seed: int
    cast: tuple[Who, ...]
    acts: tuple[Act, ...]
