"""One store on the emulator per test, with a wire that counts and a clock that the test moves."""

from collections.abc import AsyncIterator

import pytest

from tests.azure_service import Service, service


@pytest.fixture
async def azure() -> AsyncIterator[Service]:
    async with service() as opened:
        yield opened
