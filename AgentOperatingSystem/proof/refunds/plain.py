"""The same office on AutoGen alone: `save_state` after each order, `load_state` after each crash, as its documentation
shows. What it pays twice and gives back twice stands beside our figures.

Run by the parent below in processes of their own, killed at the same points within calls.
"""

import asyncio
import json
import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

from AgentOperatingSystem.proof.kill.points import Trap
from AgentOperatingSystem.proof.refunds.office import AUDITOR, CLERK, SAYS, Ledger, functions, model
from AgentOperatingSystem.proof.refunds.processes import forked
from AgentOperatingSystem.proof.report import Plain

STATE = "state.json"


def live(pipe: Connection, folder: Path, order: int, point: str, countdown: int) -> None:
    """Handles one order, unless it is done already."""
    os.setpgid(0, 0)
    Trap.set(point, countdown)
    asyncio.run(_handle(folder, order))
    pipe.send("ended")


async def _handle(folder: Path, order: int) -> None:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.teams import RoundRobinGroupChat

    from AgentOperatingSystem.agents.autogen import ModelClient

    saved = folder / STATE
    kept = json.loads(saved.read_text()) if saved.exists() else {"done": [], "state": None}
    if order in kept["done"]:
        return
    ledger = Ledger(folder)
    client = ModelClient(model(ledger))
    tools = list(functions(ledger).values())
    members = [
        AssistantAgent(CLERK, client, tools=tools, system_message=SAYS[CLERK], max_tool_iterations=8),
        AssistantAgent(AUDITOR, client, system_message=SAYS[AUDITOR]),
    ]
    team = RoundRobinGroupChat(list(members), max_turns=2)
    if kept["state"] is not None:
        await team.load_state(kept["state"])
    await team.run(task=f"Refund order o-{order}")
    fresh = saved.with_suffix(".new")
    fresh.write_text(json.dumps({"done": [*kept["done"], order], "state": await team.save_state()}, default=str))
    fresh.replace(saved)


def run_plain(kills: int, points: tuple[tuple[str, int], ...], folder: Path | None = None) -> Plain:
    """One order for each kill: the first life dies at a point of its way, the second brings it to its end."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="aos-plain-") as made:
            return run_plain(kills, points, Path(made))
    ledger, killed = Ledger(folder), 0
    for order in range(kills):
        killed += forked(live, folder, order, *points[order % len(points)]) != ["ended"]
        if forked(live, folder, order, "", 0) != ["ended"]:
            raise RuntimeError(f"plain AutoGen did not bring order {order} to its end")
    asked = [words[0] for words in ledger.lines(ledger.asked)]
    done = {what: [len(ledger.done(what, f"o-{order}")) for order in range(kills)] for what in ("refund", "email")}
    return Plain(
        kills=killed,
        refunds_twice=sum(count > 1 for count in done["refund"]),
        emails_twice=sum(count > 1 for count in done["email"]),
        model_calls_again=len(asked) - len(set(asked)),
    )
