"""`aos effects ls|show|confirm|retry|fail|drop`: calls of unknown outcome, and a person's verdict on them."""

import getpass
from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.app import effects
from AgentOperatingSystem.cli.arguments import After, Agent, By, EventKey, Limit, Reason, StepName, more
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.commands.agents import outcome_lines
from AgentOperatingSystem.cli.output import Output, Table, brief, moment, pairs
from AgentOperatingSystem.cli.system import Place, System, agent_place, place
from AgentOperatingSystem.cli.values import checked_key, json_or_text


@command(effects, "ls")
def ls(system: System, out: Output, limit: Limit = 100, after: After = None) -> None:
    """List events that wait for a verdict: calls in doubt, and retries that diverged."""
    page = system.get(place("/effects", limit=limit, after=after))
    rows = (
        (each["agent"], each["event_key"], each["status"], each["event"]["type"], brief(each["reason"]))
        for each in page["items"]
    )
    headings = ("AGENT", "EVENT_KEY", "STATUS", "TYPE", "REASON")
    out.show(page, Table(headings, rows, "nothing is in doubt"), *more(page))


@command(effects, "show")
def show(agent: Agent, event_key: EventKey, system: System, out: Output) -> None:
    """Show an event with its steps: what was about to be done, with which arguments, by when."""
    found = system.get(_place(agent, event_key))
    told = outcome_lines(found["outcome"]) | {"decidable at": moment(found["decidable_at"])}
    rows = ([each[name] for name in ("step", "what", "effect", "status")] + _times(each) for each in found["steps"])
    headings = ("STEP", "WHAT", "EFFECT", "STATUS", "DEADLINE", "DECIDED_BY", "ABOUT")
    out.show(found, pairs(told), Table(headings, rows, "no steps"))


@command(effects, "confirm")
def confirm(
    agent: Agent,
    event_key: EventKey,
    system: System,
    out: Output,
    result: Annotated[
        str | None, typer.Argument(metavar="RESULT", help="What it answered: JSON or a text, @FILE, or -.")
    ] = None,
    step: StepName = None,
    by: By = None,
) -> None:
    """Say that a call happened, with its result: the event goes on with it."""
    answered = json_or_text(result) if result is not None else None
    _decide(agent, event_key, "confirm", {"result": answered, "step": step, "by": by}, system, out)


@command(effects, "retry")
def retry(agent: Agent, event_key: EventKey, system: System, out: Output, step: StepName = None, by: By = None) -> None:
    """Say that a call did not happen: it is made again. A diverged event goes on after a fix of its code."""
    _decide(agent, event_key, "retry", {"step": step, "by": by}, system, out)


@command(effects, "fail")
def fail(
    agent: Agent,
    event_key: EventKey,
    system: System,
    out: Output,
    step: StepName = None,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Say that a call failed: the model, or the handler, reads an error."""
    _decide(agent, event_key, "fail", {"reason": reason, "step": step, "by": by}, system, out)


@command(effects, "drop")
def drop(agent: Agent, event_key: EventKey, system: System, out: Output, reason: Reason = None, by: By = None) -> None:
    """End an event as cancelled; what it did stays in its history."""
    _decide(agent, event_key, "drop", {"reason": reason, "by": by}, system, out)


def _times(step: dict[str, Any]) -> list[object]:
    return [moment(step["deadline"]), step["decided_by"], brief(step["about"])]


def _decide(agent: str, event_key: str, verdict: str, said: dict[str, Any], system: System, out: Output) -> None:
    body = {name: value for name, value in said.items() if value is not None} | {"by": said["by"] or getpass.getuser()}
    done = system.post(_place(agent, event_key, f"/{verdict}"), body).document
    out.show(done, f"{done['agent']}: event {done['id']} is {done['status']} ({done['reason']})")


def _place(agent: str, event_key: str, rest: str = "") -> Place:
    return agent_place(agent, f"/{checked_key(event_key, 'aos effects ls')}{rest}", under="effects")
