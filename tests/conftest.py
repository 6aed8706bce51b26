"""What every test may use: `@pytest.mark.virtual_time` runs an async test, with its fixtures, where an hour's sleep
costs nothing.

`@pytest.mark.virtual_time(grace_seconds=0.01)` gives threads (a SQLite writer, a socket) that much real time before
each jump.
`@pytest.mark.manual_time` runs it where time stands still until the test calls `tests.clocks.advance`.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import settings

from AgentOperatingSystem.proof.simulator.virtual_loop import VirtualLoop
from tests.clocks import ManualLoop
from tests.functions import runtime_python

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")  # Hypothesis makes up the same examples each time, so a failure can be repeated

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "virtual_time(grace_seconds=0): run the test on a loop that jumps over waiting time"
    )
    config.addinivalue_line("markers", "slow: takes a minute or more; `-m 'not slow'` leaves it out")
    config.addinivalue_line("markers", "manual_time: run the test on a loop whose time stands still until it is moved")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, LoopFactory]:
    """Which event loop a test gets: exactly one, so that its name does not change."""
    if item.get_closest_marker("manual_time") is not None:
        return {"manual": ManualLoop}
    marker = item.get_closest_marker("virtual_time")
    if marker is None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": partial(VirtualLoop, marker.kwargs.get("grace_seconds", 0.0))}


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line of a run that could not prove everything says so."""
    if runtime_python.cache_info().currsize and not runtime_python():
        print(
            "not proved here: function_app.py under Microsoft's runtime, which needs a Python 3.13 (scripts/functions)"
        )
