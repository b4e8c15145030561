"""How far a campaign is, for those outside of its process, which may crash."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Self

__all__ = ["Progress"]

KEPT = 4
"""So many of the last frames are told."""

SHOWN = 4000
"""So many characters of a frame are told."""


class Progress:
    """A file that tells the number of the last frame, and what the last frames were."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii")
        self._last: deque[str] = deque(maxlen=KEPT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def note(self, number: int, parts: Sequence[bytes]) -> None:
        """Note that a frame is about to be sent."""
        self._last.append(f"{number} {' '.join(part.hex()[:SHOWN] for part in parts)}")
        self._file.seek(0)
        self._file.write("\n".join(self._last))
        self._file.truncate()
        self._file.flush()
