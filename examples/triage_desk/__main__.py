"""`python -m examples.triage_desk`: the desk and its GitHub in one process, on the embedded default.

The main thread serves as `aos up examples/triage_desk/agents.py` does; another thread plays GitHub and shows what
happens. With `ONCE=1` the program ends by itself. Kill it at any moment and run it again: the agents remember, nothing
is lost or done twice.
"""

import contextlib
import importlib.util
import os
import socket
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from AgentOperatingSystem import AOSConfig
from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ml.records import OFFLINE
from AgentOperatingSystem.ml.registry import Models
from examples.session import Session, config_of, serve_beside
from examples.triage_desk.github import END_SECONDS, Desk, GitHub, deliveries, triage_of
from examples.triage_desk.screen import Screen

APP = Path(__file__).with_name("agents.py")
DATA_DIR = Path(".aos/triage_desk")
PORT = 8080


class Visit(Session):
    """Plays GitHub, from the first delivery to the table."""

    def __init__(self, config: AOSConfig, *, once: bool) -> None:
        super().__init__("visit", config, ends=once)
        self._once = once
        self._screen = Screen()
        self._judged: set[tuple[str, str]] = set()

    def play(self, url: str, token: str) -> None:
        """Posts everything, and shows what becomes of it."""
        github = GitHub(url, token)
        total = len(deliveries())
        self._screen.begin(total)
        threading.Thread(target=self._watch, args=(github,), name="publications", daemon=True).start()
        before, ends = self._post_all(github)
        if self.config.model != OFFLINE:
            github.ask_again(github.desk())  # what was to be judged when there was no model
        desk = github.judged_desk()
        self._catch_up(desk)
        self._screen.table(desk, self._published)
        self._screen.verdicts(desk)
        self._screen.end(total, before, total - ends["done"])
        self._screen.how_to_go_on(_how_to_go_on(self.config, url, once=self._once))

    def _post_all(self, github: GitHub) -> tuple[int, Counter[str]]:
        """Posts everything and waits for every end; says how many were applied before, and how all of them ended."""
        before, ends = 0, Counter[str]()
        with ThreadPoolExecutor(
            max_workers=1
        ) as poster:  # one keeps the order; it does not wait for what becomes of them
            posted = [(delivery, poster.submit(github.deliver, delivery)) for delivery in deliveries()]
            for delivery, accepted in posted:
                outcome = github.end_of(accepted.result(), END_SECONDS)
                ends[outcome["status"]] += 1
                if from_iso(outcome["finished_at"]) < self._began:
                    self._screen.applied_before(delivery, outcome)
                    before += 1
        return before, ends

    def _watch(self, github: GitHub) -> None:
        """Counts everything that was ever published, and shows what is published now, until the desk closes."""
        with contextlib.suppress(httpx2.TransportError):
            for event in github.publications("#"):
                is_verdict, is_new = event["topic"] == "repo.triaged", from_iso(event["time"]) >= self._began
                if is_new:
                    (self._screen.triaged if is_verdict else self._screen.published)(event)
                if is_verdict:
                    self._judged.add((event["subject"], str(event["data"]["number"])))
                else:
                    self._published[event["subject"]] += 1

    def _catch_up(self, desk: Desk) -> None:
        """Waits until the stream has brought the publication of every delivery and of every verdict."""
        handled = sum(state["deliveries"] for _, state in desk)
        judged = {
            (agent, number) for agent, state in desk for number, item in triage_of(state).items() if item["verdict"]
        }
        self.catch_up(lambda: self._published.total() >= handled and judged <= self._judged)


def check_model(config: AOSConfig) -> None:
    """Raises `AOSError` where the team could not think with the configured model: better now than in its first talk."""
    if config.model == OFFLINE:
        return
    Models(config).get()
    if importlib.util.find_spec("autogen_agentchat") is None:
        raise ConfigurationError(
            f"the team needs AutoGen to think with {config.model}: pip install 'agent-operating-system[autogen]'"
        )


def _free_port(host: str) -> int:
    """The first port from 8080 on where nobody answers."""
    for port in range(PORT, PORT + 100):
        try:
            socket.create_connection((host, port), timeout=0.5).close()
        except OSError:
            return port
    return PORT


def _how_to_go_on(config: AOSConfig, url: str, *, once: bool) -> list[str]:
    where = f"--data {config.data_dir}" + ("" if config.port == PORT else f" --url {url}")
    star = '{"repository": {"stargazers_count": 2}, "sender": {"login": "you"}}'
    lines = [
        "",
        "Send the next one:",
        f"  aos send repo/octo-org/octo-repo '{star}' --type github.star.created --wait 5 {where}",
        f"  curl '{url}/api/v1/agents/repo/events?key=octo-org/octo-repo&wait=5' \\",
        f'       -H "Authorization: Bearer $(cat {config.data_dir}/token)" -H "Content-Type: application/json" \\',
        f'       -d \'{{"type": "github.star.created", "data": {star}}}\'',
        "and see what the agent remembers:",
        f"  aos state repo/octo-org/octo-repo {where}",
        "",
        *(_with_a_model() if config.model == OFFLINE else _the_talk(where)),
    ]
    return (
        lines
        if once
        else [*lines, "The desk stays open until Ctrl-C. Kill it with -9 whenever you like; run it again."]
    )


def _with_a_model() -> list[str]:
    return [
        "No model is configured, so the team judges nothing. To see it at work without a key, on a written script:",
        "  make run MODEL=scripted/examples/triage_desk/script.json",
        "or with a model of your own:",
        "  OPENAI_API_KEY=... make run MODEL=openai/gpt-4o-mini",
        "",
    ]


def _the_talk(where: str) -> list[str]:
    return [
        "What the team said about issue 1, word for word:",
        f"  aos state 'triage/Codertocat/Hello-World#1' {where}",
        "",
    ]


def begin() -> Visit:
    """Raises `AOSError` where the team could not think."""
    config = config_of(DATA_DIR, _free_port)
    check_model(config)
    return Visit(config, once=bool(os.environ.get("ONCE")))


def main() -> int:
    """Serves the desk and plays GitHub; answers the exit code."""
    return serve_beside(APP, begin)


if __name__ == "__main__":
    sys.exit(main())
