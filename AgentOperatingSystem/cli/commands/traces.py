"""`aos trace`: what an event's handling did, what it cost, and what it caused."""

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import EVENTS, app
from AgentOperatingSystem.cli.arguments import Agent
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, brief, cell
from AgentOperatingSystem.cli.system import System, agent_place

EventId = Annotated[str, typer.Argument(metavar="EVENT", help="The id of one of its events.")]
Source = Annotated[str, typer.Option("--source", help="Who sent the event.")]


@command(app, "trace", EVENTS)
def trace(agent: Agent, event: EventId, system: System, out: Output, source: Source = "/cli") -> None:
    """Show an event as a tree: its steps, what it sent, and what that caused.

    Each step with its time, tokens, cost and tries; each event with its end. What it sent is followed over all agents,
    up to 200 events.
    """
    found = system.get(agent_place(agent, f"/traces/{quote(event, safe='')}", source=source))
    rest = [] if found["is_whole"] else ["and more: this trace is longer than one may be"]
    out.show(found, *_event(found["event"], "", ""), _total(found["spending"]), *rest)


def _event(event: dict[str, Any], first: str, rest: str) -> Iterator[str]:
    """The lines of one event; `first` stands before its own, `rest` before all below it."""
    took = f" in {event['seconds']:.3f} s" if event["seconds"] is not None else ""
    tries = f", {event['attempts']} tries" if event["attempts"] > 1 else ""
    claims = f", {event['claims']} claims" if event["claims"] > 1 else ""
    why = f": {brief(event['reason'])}" if event["reason"] else ""
    name = f"{cell(event['agent'])} {cell(event['id'])} ({cell(event['type'])})"
    yield f"{first}{name} {event['status']}{took}{tries}{claims}{why}"
    parts = [*(_step(step) for step in event["steps"]), *event["sends"]]
    for place, part in enumerate(parts, 1):
        corner, line = ("└─ ", "   ") if place == len(parts) and not event["left_out"] else ("├─ ", "│  ")
        if isinstance(part, str):
            yield f"{rest}{corner}{part}"
        else:
            yield from _send(part, rest + corner, rest + line)
    if event["left_out"]:
        yield f"{rest}└─ … {event['left_out']}"


def _send(send: dict[str, Any], first: str, rest: str) -> Iterator[str]:
    to = f"topic {send['topic']}" if send["topic"] else send["agent"]
    if len(send["events"]) == 1 and not send["topic"]:
        yield from _event(send["events"][0], f"{first}→ ", rest)
        return
    note = f" ({send['note']})" if send["note"] else ""
    yield f"{first}→ {cell(to)} {cell(send['id'])}{note}"
    for place, event in enumerate(send["events"], 1):
        corner, line = ("└─ ", "   ") if place == len(send["events"]) else ("├─ ", "│  ")
        yield from _event(event, rest + corner, rest + line)


def _step(step: dict[str, Any]) -> str:
    """One step on one line."""
    took = f" {step['seconds']:.3f} s" if step["seconds"] is not None else ""
    effect = f" ({step['effect']})" if step["kind"] == "tool" else ""
    said = [f"{step['kind']} {cell(step['what'])}{effect} {step['status']}{took}"]
    if step["kind"] == "model":
        said += [_tokens(step), _cost(step)]
    said += [f"{step['tries']} tries"] if step["tries"] > 1 else []
    said += [word for word in ("cache_hit", "is_error", "diverged", "late") if step[word]]
    said += [f"decided by {cell(step['decided_by'])}"] if step["decided_by"] else []
    said += [brief(step["error"])] if step["error"] else []
    return ", ".join(said)


def _tokens(step: dict[str, Any]) -> str:
    counts = [step["input_tokens"], step["output_tokens"]]
    return "tokens unknown" if None in counts else f"{counts[0]}+{counts[1]} tokens"


def _cost(step: dict[str, Any]) -> str:
    return "cost unknown" if step["cost"] is None else f"{step['cost']} {step['currency']}"


def _total(spending: dict[str, Any]) -> str:
    costs = [f"{amount} {currency}" for currency, amount in spending["costs"].items()]
    unpriced = [f"{spending['unpriced_calls']} calls of unknown cost"] if spending["unpriced_calls"] else []
    calls = f"{spending['model_calls']} model calls, {spending['tool_calls']} tool calls, {spending['tokens']} tokens"
    return ", ".join([calls, *costs, *unpriced])
