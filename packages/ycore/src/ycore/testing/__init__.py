"""The conformance kit for wire authors, and help for those who test against `connect("memory")`.

A wire author subclasses `WireConformance`; a user enables the fixtures by
`pytest_plugins = ["ycore.testing.fixtures"]`. Importing this package needs pytest.
"""

try:
    import pytest
except ImportError as exc:
    raise ImportError(
        "ycore.testing needs pytest, which ycore does not install: pip install pytest"
    ) from exc

# Before the modules are imported, or their failures would print a bare AssertionError.
for _module in ("channels", "documents", "harness"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from .channels import ChannelConformance  # noqa: E402
from .documents import DocumentConformance  # noqa: E402
from .harness import WireSuite  # noqa: E402
from .suite import WireConformance  # noqa: E402
from .waiting import until  # noqa: E402

__all__ = [
    "ChannelConformance",
    "DocumentConformance",
    "WireConformance",
    "WireSuite",
    "until",
]
