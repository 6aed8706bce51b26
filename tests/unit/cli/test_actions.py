"""`aos actions` and `aos act`, against a server: what is listed, what is printed, and the exit codes."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from AgentOperatingSystem import Action, Agent, AgentOperatingSystem, AOSConfig, Terminal
from AgentOperatingSystem.api import create_app
from tests.servers import serving
from tests.unit.cli.conftest import Aos, Ran

TOKEN = "a-token-for-tests"
Act = Callable[..., Awaitable[Ran]]


class Adder(Agent):
    @Action("add")
    async def add(self, a: int, b: int = 1) -> int:
        """Adds."""
        if b == 13:
            raise Terminal("not with thirteen")
        return a + b


@pytest.fixture
async def there(tmp_path: Path, aos: Aos) -> AsyncIterator[Act]:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path / "data")) as system:
        await system.register_agent(Adder)
        system.start()
        async with serving(create_app(system, token=TOKEN)) as url:

            async def run(*arguments: str) -> Ran:
                return await asyncio.to_thread(aos, *arguments, "--url", url, "--token", TOKEN)

            yield run


async def test_actions_are_listed_with_their_input(there: Act) -> None:
    ran = await there("actions", "adder")
    header, row = ran.out.splitlines()
    assert header.split() == ["ACTION", "DOES", "INPUT"]
    assert row.split()[:2] == ["add", "Adds."]
    (listed,) = json.loads((await there("actions", "adder", "--json")).out)["items"]
    assert listed["parameters"]["required"] == ["a"]


async def test_one_is_done_once_and_its_status_can_be_shown(there: Act) -> None:
    for _ in range(2):
        ran = await there("act", "adder", "add", '{"a": 2}', "--wait", "5", "--id", "k")
        assert (ran.code, ran.out.strip()) == (0, "3")
    shown = await there("show", "adder", "k")
    assert "action.add" in shown.out
    assert "actions  " in (await there("show", "adder")).out
    accepted = await there("act", "adder", "add", '{"a": 2}')
    assert (accepted.code, accepted.out.startswith("accepted: event ")) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (("add", '{"a": "x"}'), 2, "a: Input should be a valid integer"),
        (("add",), 2, "a: Field required"),
        (("add", "[1]"), 2, "the input of an action is a JSON object"),
        (("add", '{"a": 1}', "--wait", "301"), 2, "0 to 300 seconds"),
        (("sub", "{}"), 4, "adder has no action 'sub'; there are add"),
        (("add", '{"a": 1, "b": 13}', "--wait", "5"), 1, "not with thirteen"),
    ],
)
async def test_what_does_not_fit_has_its_exit_code(there: Act, arguments: tuple[str, ...], code: int, why: str) -> None:
    ran = await there("act", "adder", *arguments)
    assert ran.code == code
    assert why in ran.out + ran.err
