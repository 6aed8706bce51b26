"""`aos approvals ls|show|approve|deny|answer`: what agents ask people, and the answers."""

import getpass
from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.app import approvals
from AgentOperatingSystem.cli.arguments import After, Agent, By, EventKey, Limit, Reason, StepName, more
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table, brief, moment, pairs
from AgentOperatingSystem.cli.system import Place, System, agent_place, place
from AgentOperatingSystem.cli.values import checked_key, json_or_text
from AgentOperatingSystem.errors import InvalidInput


@command(approvals, "ls")
def ls(system: System, out: Output, limit: Limit = 100, after: After = None) -> None:
    """List what people are asked, and until when."""
    page = system.get(place("/approvals", limit=limit, after=after))
    rows = (
        (each["agent"], each["event_key"], brief(_asked(each)), moment(each["expires"]), _for(each))
        for each in page["items"]
    )
    headings = ("AGENT", "EVENT_KEY", "ASKED", "UNTIL", "FOR")
    out.show(page, Table(headings, rows, "nobody is asked anything"), *more(page))


@command(approvals, "show")
def show(agent: Agent, event_key: EventKey, system: System, out: Output) -> None:
    """Show what a person is or was asked for an event, in full."""
    found = system.get(_place(agent, event_key))
    out.show(found, *(pairs(_lines(each)) for each in found["items"]))


@command(approvals, "approve")
def approve(
    agent: Agent,
    event_key: EventKey,
    system: System,
    out: Output,
    hash: Annotated[
        str | None, typer.Option("--hash", help="The hash that was shown; without it, what is asked now is approved.")
    ] = None,
    step: StepName = None,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Have a tool called, once, with exactly the arguments that are shown."""
    said = {"hash": hash or _hash(system, agent, event_key, step), "step": step, "reason": reason, "by": by}
    _answer(agent, event_key, "approve", said, system, out)


@command(approvals, "deny")
def deny(
    agent: Agent,
    event_key: EventKey,
    system: System,
    out: Output,
    step: StepName = None,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Have a tool not called; the model, or the handler, reads why."""
    _answer(agent, event_key, "deny", {"step": step, "reason": reason, "by": by}, system, out)


@command(approvals, "answer")
def answer(
    agent: Agent,
    event_key: EventKey,
    text: Annotated[
        str, typer.Argument(metavar="ANSWER", help="The answer: JSON or a text, @FILE, or - for standard input.")
    ],
    system: System,
    out: Output,
    step: StepName = None,
    by: By = None,
) -> None:
    """Answer a question of an agent."""
    _answer(agent, event_key, "answer", {"answer": json_or_text(text), "step": step, "by": by}, system, out)


def _hash(system: System, agent: str, event_key: str, step: str | None) -> str:
    """The hash of the one call that is asked about, which is shown before it is approved. Raises `InvalidInput`."""
    items = system.get(_place(agent, event_key))["items"]
    asked = [each for each in items if each["wants"]["wants"] == "approval" and step in (None, each["step"])]
    is_open = [each for each in asked if each["open"]] or asked[-1:]
    if len(is_open) != 1:
        names = ", ".join(each["step"] for each in is_open) or "none"
        raise InvalidInput(f"say which call is approved, with --step: {names}")
    found: str = is_open[0]["wants"]["hash"]
    return found


def _answer(agent: str, event_key: str, verb: str, said: dict[str, Any], system: System, out: Output) -> None:
    body = {name: value for name, value in said.items() if value is not None or name == "answer"}
    body["by"] = said["by"] or getpass.getuser()
    done = system.post(_place(agent, event_key, f"/{verb}"), body).document
    told = {"approve": "approved", "deny": "denied", "answer": "answered"}[verb]
    out.show(done, f"{done['agent']}: {_asked(done)} is {told} by {done['decided_by']}")


def _asked(asked: dict[str, Any]) -> str:
    wants = asked["wants"]
    if wants["wants"] == "approval":
        return f"{wants['tool']}({', '.join(f'{name}={value!r}' for name, value in wants['arguments'].items())})"
    choices = f" [{', '.join(map(str, wants['choices']))}]" if wants.get("choices") else ""
    return f"{wants['question']}{choices}"


def _for(asked: dict[str, Any]) -> str:
    wants = asked["wants"]
    return str(wants.get("to") or wants.get("requester") or "")


def _lines(asked: dict[str, Any]) -> dict[str, object]:
    shown = {name: asked[name] for name in ("agent", "event_key", "step")} | {"asked": _asked(asked)}
    times = {"asked at": moment(asked["asked_at"]), "until": moment(asked["expires"])}
    wants = {name: asked["wants"][name] for name in ("hash", "requester", "why", "to") if asked["wants"].get(name)}
    decided = {"decided by": asked["decided_by"], "decided at": moment(asked["decided_at"]), "answer": asked["answer"]}
    return {**shown, **wants, **times, **({} if asked["open"] else decided)}


def _place(agent: str, event_key: str, rest: str = "") -> Place:
    return agent_place(agent, f"/{checked_key(event_key, 'aos approvals ls')}{rest}", under="approvals")
