"""`aos up --azure-local`: the larger examples run on Azurite, the local Service Bus and the Functions host as they do
embedded, and go on after an end and a start.
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples.boardroom.secretary import Secretary, proposals
from examples.client import Client
from examples.triage_desk.github import GitHub, deliveries
from tests.azure_local import COMMAND, ROOT, Up, up

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
DELIVERIES = deliveries()[::4]
PROPOSALS = proposals()[:3]
AZURE = "--azure-local"
Visit = Callable[[Up], dict[str, Any]]


class Heard:
    """Publications, in the background, each id once."""

    def __init__(self, running: Up, client: Client) -> None:
        self._topics: dict[str, str] = {}
        thread = threading.Thread(target=self._listen, args=(client,), daemon=True)
        thread.start()
        running.after.callback(client.close)
        running.after.callback(thread.join)

    def until(self, number: int) -> dict[str, int]:
        """How many there were of each topic, when there were so many, or none came for too long."""
        deadline = time.monotonic() + 20
        while len(self._topics) < number and time.monotonic() < deadline:
            time.sleep(0.05)
        return dict(Counter(self._topics.values()))

    def _listen(self, client: Client) -> None:
        with suppress(httpx2.TransportError):
            for event in client.publications("#"):
                self._topics[event["id"]] = event["topic"]


def triage(running: Up) -> dict[str, Any]:
    """The desk's states after a quarter of the deliveries."""
    github = GitHub(running.url, running.token)
    heard = Heard(running, github)
    for accepted in [github.deliver(delivery) for delivery in DELIVERIES]:
        assert github.end_of(accepted, 60)["status"] == "done"
    return {"desk": dict(github.judged_desk()), "published": heard.until(len(DELIVERIES))}


def board(running: Up) -> dict[str, Any]:
    """Half of the board's decisions."""
    secretary = Secretary(running.url, running.token)
    heard = Heard(running, secretary)
    ends = [secretary.submit(proposal)["status"] for proposal in PROPOSALS]
    decisions = [secretary.decision(proposal["id"]) for proposal in PROPOSALS]
    return {"ends": ends, "decisions": decisions, "published": heard.until(len(ends))}


CASES = [
    pytest.param("examples/triage_desk/agents.py", triage, "offline", id="triage desk"),
    pytest.param("examples/boardroom/agents.py", board, "scripted/examples/boardroom/script.json", id="boardroom"),
]


@pytest.mark.parametrize(("app", "visit", "model"), CASES)
def test_an_example_does_there_what_it_does_embedded(app: str, visit: Visit, model: str, tmp_path: Path) -> None:
    with up(tmp_path / "azure", app, AZURE, model=model) as running:
        began = time.monotonic()
        on_azure = visit(running)
        print(f"{app}: {time.monotonic() - began:.1f} s")
        errors = running.end()
        assert running.process.returncode == 0, errors
    with up(tmp_path / "embedded", app, model=model) as running:
        assert visit(running) == on_azure


def test_it_says_where_everything_is_and_goes_on_at_the_next_start(tmp_path: Path) -> None:
    app = tmp_path / "counting.py"
    app.write_text(
        "from AgentOperatingSystem import BaseAgent\n"
        "class Counting(BaseAgent):\n"
        "    async def on_event(self, event, context):\n"
        "        self.state['n'] = self.state.get('n', 0) + 1\n"
        "        await context.publish('counted', self.state['n'])\n"
        "        return self.state['n']\n"
    )
    data = tmp_path / "data"
    for number in (1, 2):
        with up(data, str(app), AZURE) as running:
            assert [each["part"] for each in running.said] == ["azurite", "servicebus", "functions", "agents"]
            assert running.part("azurite")["table"].startswith("http://127.0.0.1:")
            assert running.part("servicebus")["connection_string"].startswith("Endpoint=sb://127.0.0.1:")
            assert running.part("functions")["url"] == running.url
            if number == 1:
                second = [sys.executable, "-c", COMMAND, "up", AZURE, str(app), "--data", str(data)]
                refused = subprocess.run(second, cwd=ROOT, capture_output=True, text=True, timeout=60)
                assert (refused.returncode, refused.stdout) == (2, "")
                assert "another `aos up --azure-local` runs on" in refused.stderr
            client = Client(running.url, running.token)
            running.after.callback(client.close)
            answer = client.post("/api/v1/agents/counting/events", {"wait": "30"}, json={"type": "t"})
            assert answer["result"] == number
            assert "AOS_SERVICEBUS_CONNECTION_STRING=" in (data / "azure-local.env").read_text()
            running.end()
            assert (running.process.returncode, running.said[-1]) == (0, {"state": "ended"})
        assert not (data / "url").exists()
