"""A server on loopback that pages come from, and a policy that lets tests reach it."""

import ipaddress
from collections.abc import AsyncIterator

import pytest

from AgentOperatingSystem.tools.web.fetching import Fetcher
from AgentOperatingSystem.tools.web.policy import WebPolicy
from tests.loopback import Answer, Asked, Server, serving


class Pages:
    """What the server answers, by path."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.server = Server()

    def __call__(self, asked: Asked) -> Answer:
        return self.answers.get(asked.target.partition("?")[0], Answer(status=404, body=b"no such page"))

    @property
    def url(self) -> str:
        return self.server.url


def policy(server: Server, bytes_max: int = 1 << 20, seconds_max: float = 5.0, *others: Server) -> WebPolicy:
    """Loopback by http, on this server's port."""
    return WebPolicy(
        schemes=frozenset({"http"}),
        ports=frozenset(each.port for each in (server, *others)),
        networks_allowed=(ipaddress.ip_network("127.0.0.0/8"),),
        bytes_max=bytes_max,
        seconds_max=seconds_max,
    )


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    answers = Pages()
    async with serving(answers) as server:
        answers.server = server
        yield answers


@pytest.fixture
def fetcher(pages: Pages) -> Fetcher:
    return Fetcher(policy(pages.server))
