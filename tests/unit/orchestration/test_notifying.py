"""What people are asked is posted to a webhook: after the commit, again while it does not answer, under one key."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.ids import AgentId
from tests.waiting import until


class Curious(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        return await context.ask_human("Go?", ["yes", "no"])


class Hook:
    """A webhook that answers as it is told, the last answer for ever."""

    def __init__(self) -> None:
        self.answers = [200]
        self.heard: list[tuple[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.heard.append((self.headers["Idempotency-Key"], msgspec.json.decode(body)))
                self.send_response(hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


async def heard(hook: Hook, count: int) -> list[tuple[str, Any]]:
    async def look() -> list[tuple[str, Any]]:
        await asyncio.sleep(0.01)
        return hook.heard

    return await until(look, lambda found: len(found) >= count)


async def test_questions_and_answers_are_posted_once_each_under_their_keys(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [503, 200]
    config = AOSConfig(data_dir=tmp_path, approvals_webhook_url=hook.url, backoff_base_seconds=0.01)
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Curious)
        await aos.accept_event({"agent": "curious", "type": "t", "id": "1"})
        (first, asked), (second, same) = await heard(hook, 2)
        assert (first, asked) == (second, same)
        assert (asked["type"], asked["data"]["question"]) == ("aos.approval.requested", "Go?")
        agent = AgentId("curious")
        await aos.answers.answer(agent, asked["data"]["event_key"], "yes", by="ada")
        third, decided = (await heard(hook, 3))[2]
        assert third != first
        assert (decided["type"], decided["data"]["answer"], decided["data"]["by"]) == (
            "aos.approval.decided",
            "yes",
            "ada",
        )


async def test_a_webhook_that_refuses_is_seen_in_the_quarantine(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [403]
    config = AOSConfig(data_dir=tmp_path, approvals_webhook_url=hook.url)
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Curious)
        await aos.accept_event({"agent": "curious", "type": "t", "id": "1"})
        look = partial(aos.quarantine.list, "default")
        (row,) = (await until(look, lambda page: len(page.items) == 1)).items
        assert "the webhook refused it with 403" in row.reason
    assert len(hook.heard) == 1


async def test_nobody_is_told_where_no_webhook_is_named(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos:
        assert "aos.notifier" not in [kind.name for kind in aos.registry.types()]
