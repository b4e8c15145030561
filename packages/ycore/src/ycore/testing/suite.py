"""The whole conformance suite in one class."""

from __future__ import annotations

from .channels import ChannelConformance
from .documents import DocumentConformance

__all__ = ["WireConformance"]


class WireConformance(ChannelConformance, DocumentConformance):
    """All that a wire has to do, to subclass in the tests of a wire: see `WireSuite`."""
