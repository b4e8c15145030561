"""The command `ycore`: serve rooms, look into them and write to them from a shell."""

from .program import main

__all__ = ["main"]
