"""A person approves, over HTTP and by command, what a host that was killed meanwhile had asked for."""

import json
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx2
import pytest

from tests.hosts import ROOT, TOKEN, hosting
from tests.waiting import waited

APP = Path(__file__).with_name("approvals_app.py")
AOS = [sys.executable, "-c", "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())"]


def aos(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*AOS, *arguments, "--url", url, "--token", TOKEN]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def until(client: httpx2.Client, agent: str, *statuses: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        found: dict[str, Any] = client.get(f"/api/v1/agents/{agent}/events/e", params={"source": "/people/ada"}).json()
        return found

    return waited(look, lambda found: found.get("status") in statuses)


def lines(folder: Path, name: str) -> int:
    file = folder / name
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.parametrize("agent", ["clerk", "office"])
def test_a_kill_while_it_waits_costs_nothing(tmp_path: Path, agent: str) -> None:
    with hosting(tmp_path, app=APP) as host, host.client() as client:
        said = {"type": "refund", "id": "e", "source": "/people/ada", "data": "Refund o-1"}
        assert client.post(f"/api/v1/agents/{agent}/events", json=said).status_code == 202
        key = until(client, agent, "waiting")["event_key"]
        host.end(SIGKILL)
    assert (lines(tmp_path, "refunds"), lines(tmp_path, "asked")) == (0, 1)
    with hosting(tmp_path, app=APP) as host:
        url = host.hears(r"listening on (\S+)")[1]
        with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert "refund(order='o-1')" in aos(url, "approvals", "ls").stdout
            own = aos(url, "approvals", "approve", agent, key, "--by", "ada")
            assert (own.returncode != 0, "somebody else has to decide" in own.stderr) == (True, True)
            approved = aos(url, "approvals", "approve", agent, key, "--by", "bob")
            assert approved.stdout == f"{agent}: refund(order='o-1') is approved by bob\n", approved.stderr
            assert "It says" in json.dumps(until(client, agent, "done")["result"])
            again = aos(url, "approvals", "deny", agent, key, "--by", "eve")
            assert "decided by bob already" in again.stderr
            host.end(SIGKILL)
    assert (lines(tmp_path, "refunds"), lines(tmp_path, "asked")) == (1, 2)


def test_a_kill_within_the_call_is_in_doubt_and_decided_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUND_SECONDS", "30")
    with hosting(tmp_path, app=APP, clock_skew_seconds=0.1) as host, host.client() as client:
        said = {"type": "refund", "id": "e", "source": "/people/ada", "data": "Refund o-1"}
        client.post("/api/v1/agents/clerk/events", json=said)
        key = until(client, "clerk", "waiting")["event_key"]
        asked = client.get(f"/api/v1/approvals/clerk/{key}").json()["items"][0]
        approval = {"by": "bob", "hash": asked["wants"]["hash"]}
        assert client.post(f"/api/v1/approvals/clerk/{key}/approve", json=approval).status_code == 200
        waited(lambda: lines(tmp_path, "refunds"))
        host.end(SIGKILL)
    with hosting(tmp_path, app=APP, clock_skew_seconds=0.1) as host:
        url = host.hears(r"listening on (\S+)")[1]
        with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            until(client, "clerk", "in_doubt")
            assert key in aos(url, "effects", "ls").stdout
            shown = aos(url, "effects", "show", "clerk", key)
            assert "intent" in shown.stdout, shown.stderr
            confirmed = aos(url, "effects", "confirm", "clerk", key, "refunded o-1", "--by", "bob")
            assert confirmed.returncode == 0, confirmed.stderr
            assert until(client, "clerk", "done")["result"] == "It says: refunded o-1"
            refused = aos(url, "effects", "retry", "clerk", key, "--by", "eve")
            assert (refused.returncode != 0, "has ended" in refused.stderr) == (True, True)
    assert lines(tmp_path, "refunds") == 1
