import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The websocket wire runs on asyncio only."""
    return "asyncio"
