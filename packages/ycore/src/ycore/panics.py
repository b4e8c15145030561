"""Panics of pycrdt, which are no Exceptions, as errors."""

from __future__ import annotations

from contextlib import AbstractContextManager

from .errors import DocumentError

__all__ = ["is_panic", "translating_panics"]


def is_panic(error: BaseException) -> bool:
    """Whether an error, which is no Exception, is a panic of pycrdt."""
    # pycrdt does not export the type.
    return type(error).__name__ == "PanicException"


class _PanicTranslation:
    """What `translating_panics` gives; a generator would take five times as long."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is not None and is_panic(error):
            raise DocumentError("pycrdt failed inside: the document must not be used") from error


_TRANSLATION = _PanicTranslation()


def translating_panics() -> AbstractContextManager[None]:
    """Turn a panic of pycrdt, which is no Exception, into one.

    Raises:
        DocumentError: pycrdt panicked.
    """
    return _TRANSLATION
