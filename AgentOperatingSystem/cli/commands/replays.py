"""`aos replay`: a recorded event handled again, offline, by the code as it is here."""

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import EVENTS, app
from AgentOperatingSystem.cli.command import command, finish
from AgentOperatingSystem.cli.exits import FAILED, OK
from AgentOperatingSystem.cli.output import Output, note
from AgentOperatingSystem.cli.system import System, agent_place
from AgentOperatingSystem.cli.values import read_file, write_file
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput

File = Annotated[str | None, typer.Option("--file", metavar="FILE", help="A recording that --save has written.")]


@command(app, "replay", EVENTS)
def replay(
    system: System,
    out: Output,
    agent: Annotated[str | None, typer.Argument(metavar="AGENT", help="The agent, `name` or `name/key`.")] = None,
    event: Annotated[str | None, typer.Argument(metavar="EVENT", help="The id of one of its events.")] = None,
    source: Annotated[str, typer.Option("--source", help="Who sent the event.")] = "/cli",
    file: File = None,
    save: Annotated[
        str | None,
        typer.Option("--save", metavar="FILE", help="Write the recording to a new file, and replay nothing."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Ask this model anew, in place of recorded answers.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="FILE", help="Ask anew with this as the system's message.")
    ] = None,
) -> None:
    """Handle a recorded event again, offline, and show what is different.

    Runs the agent's code as it is here (--app, AOS_APP) from the state that the event found, with the recorded results
    of its steps. Nothing is sent, stored or performed: a call that is not recorded ends the replay. The exit code is 0
    where everything comes as it was recorded, 1 where not.
    """
    content = _recording(system, agent, event, source, file)
    if save is not None:
        write_file(save, content)
        out.show({"file": save, "bytes": len(content)}, f"{save}: {len(content)} bytes")
        return
    text = read_file(prompt).decode(errors="replace") if prompt is not None else ""
    replayed = _replayed(content, system, model or "", text)
    report = replayed.report()
    for each in replayed.not_compared:
        note(f"not compared, because it was not kept: {each}")
    same = f"the same: {replayed.status}"
    out.show({**_document(replayed), "equal": not report, "report": report}, *(report or [same]))
    finish(OK if not report else FAILED)


def _recording(system: System, agent: str | None, event: str | None, source: str, file: str | None) -> bytes:
    """The recording as a document."""
    if (file is None) == (agent is None) or (agent is None) != (event is None):
        raise InvalidInput("replay what? Name an AGENT and its EVENT, or --file FILE")
    if file is not None:
        return read_file(file)
    place = agent_place(agent or "", f"/recordings/{quote(event or '', safe='')}", source=source)
    return json.dumps(system.get(place), ensure_ascii=False, indent=1).encode() + b"\n"


def _replayed(content: bytes, system: System, model: str, prompt: str) -> Any:
    """The replay, by the agents of the app."""
    import asyncio  # as the rest: nothing that a command's help need wait for

    from AgentOperatingSystem.config import AOSConfig, load_app
    from AgentOperatingSystem.orchestration.applications import agents_of
    from AgentOperatingSystem.orchestration.recordings import read_recording
    from AgentOperatingSystem.testing.replays import replay_recording

    recording = read_recording(content)
    config = AOSConfig(data_dir=system.settings.data_dir, app=system.app)
    if config.app is None:
        raise ConfigurationError("a replay runs the agents' code here: name it with --app or AOS_APP")
    agents = agents_of(load_app(config.app))
    return asyncio.run(replay_recording(recording, agents, model=model, prompt=prompt))


def _document(replayed: Any) -> dict[str, Any]:
    import msgspec

    document: dict[str, Any] = msgspec.to_builtins(replayed)
    return document
