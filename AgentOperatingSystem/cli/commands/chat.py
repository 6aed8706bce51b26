"""`aos chat`: a conversation with an agent, in a terminal or through a pipe.

Each message is one event with a key of its own, over `POST …/chat`; where the connection breaks, the same key is asked
for again, so that nothing is said twice.
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import uuid4

import typer

from AgentOperatingSystem.cli.answers import StreamEvent
from AgentOperatingSystem.cli.app import EVENTS, app
from AgentOperatingSystem.cli.arguments import Agent
from AgentOperatingSystem.cli.command import command, finish
from AgentOperatingSystem.cli.exits import FAILED, OK, NotReachable, Problem
from AgentOperatingSystem.cli.output import Output, as_json, brief, note, printable
from AgentOperatingSystem.cli.system import Place, Server, agent_place
from AgentOperatingSystem.errors import AOSError, InvalidInput

RECONNECT_SECONDS = 1.0
RECONNECTS_MAX = 60
"""How often in a row a broken connection is made again: for about a minute."""
PROMPT = "you> "
_ENDS = ("result", "error")


@command(app, "chat", EVENTS)
def chat(
    agent: Agent,
    system: Server,
    out: Output,
    conversation: Annotated[
        str | None, typer.Option("--conversation", metavar="ID", help="Which of its conversations to go on [main].")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", metavar="TEXT", help="Say this alone, and end with the answer.")
    ] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="The idempotency key of --message; the same again changes nothing.")
    ] = None,
) -> None:
    """Talk with an agent, and see its answer while it gives it.

    Without --message each line of standard input is one message. Ctrl-C while it answers stops the watching, not the
    agent; at the prompt, Ctrl-C or Ctrl-D ends it, with exit code 0. With --json, each server-sent event is one
    document on a line.
    """
    if id is not None and message is None:
        raise InvalidInput("--id is the key of one message: give --message too")
    where = agent_place(agent, "/chat")
    talk = Talk(system, out, where, conversation or "main")
    if message is not None:
        finish(OK if talk.say(message, id or uuid4().hex) else FAILED)
    elif sys.stdin.isatty():
        _at_the_prompt(talk)
    else:
        said = [talk.say(line.strip(), uuid4().hex) for line in sys.stdin if line.strip()]
        finish(OK if all(said) else FAILED)


class Talk:
    """One conversation as it is shown."""

    def __init__(self, system: Server, out: Output, where: Place, conversation: str) -> None:
        self._system = system
        self._out = out
        self._where = where
        self._conversation = conversation
        self.is_offline = False
        """Whether it was said already that no model is configured."""

    def say(self, message: str, key: str) -> bool:
        """Says something and shows what comes of it; says whether it ended well. Raises `NotReachable`, `Problem`."""
        shown = Shown(self)
        for event in self._heard({"message": message, "conversation": self._conversation}, key):
            if self._out.as_json:
                self._out.line({"event": event.name, "id": event.id, "data": event.data}, "")
            else:
                shown.show(event)
            if event.name in _ENDS:
                return event.name == "result"
        return False

    def _heard(self, body: dict[str, str], key: str) -> Iterator[StreamEvent]:
        """The stream to its end, connected again where it breaks; only the first connection may fail."""
        last, left = "", RECONNECTS_MAX
        while True:
            headers = {"Idempotency-Key": key} | ({"Last-Event-ID": last} if last else {})
            try:
                for event in self._system.stream(self._where, body, headers):
                    if event.name == "error" and event.data["code"] == "draining":
                        break
                    again = bool(last) and event.name == "accepted"
                    if not again:
                        left = RECONNECTS_MAX
                        yield event
                    elif not _is_same(event.id, last):  # another host has it now, or the same one after a restart
                        yield StreamEvent(event.id, "restarted", {})
                    last = event.id or last
                    if event.name in _ENDS:
                        return
            except (NotReachable, Problem) as error:
                if not last or left == 0 or not (isinstance(error, NotReachable) or error.status in (429, 503)):
                    raise
            left -= 1
            if left == RECONNECTS_MAX - 1:
                note("the connection broke; the message is kept, connecting again")
            time.sleep(RECONNECT_SECONDS)


class Shown:
    """What a person has seen of one answer."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._text = ""
        """What was said since the last tool call or try."""
        self._source = ""

    def show(self, event: StreamEvent) -> None:
        """Shows one server-sent event."""
        display: Callable[[Any], None] | None = getattr(self, f"_{event.name}", None)
        if display is not None:
            display(event.data)
            sys.stdout.flush()

    def _token(self, data: Any) -> None:
        if self._source not in ("", data["source"]):
            self._break()
            _write(f"{data['source']}: ")
        self._source = data["source"]
        self._text += data["text"]
        _write(data["text"])

    def _tool_call(self, data: Any) -> None:
        self._break()
        _write(f"  -> {data['tool']}({brief(data['arguments'])})\n")

    def _tool_result(self, data: Any) -> None:
        self._break()
        _write(f"  <- {'error: ' if data['is_error'] else ''}{brief(data['content'])}\n")

    def _step(self, data: Any) -> None:
        if data["name"] == "offline" and not self._talk.is_offline:
            self._talk.is_offline = True
            note("offline: no model is configured, so nobody thinks here; see AOS_MODEL")

    def _restarted(self, data: Any) -> None:
        self._break()
        _write("  (begun again: what stands above does not count)\n")

    def _result(self, data: Any) -> None:
        """The committed answer, unless it is what was heard already."""
        result = data["result"]
        text = result if isinstance(result, str) else as_json(result)
        if text != self._text:
            self._break()
            _write(text)
            self._text = text
        self._break()

    def _error(self, data: Any) -> None:
        self._break()
        note(data["detail"])

    def _break(self) -> None:
        if self._text and not self._text.endswith("\n"):
            _write("\n")
        self._text = ""


def _is_same(id: str, last: str) -> bool:
    """Whether two ids are of one telling, which goes on where it broke off."""
    return id.partition(".")[0] == last.partition(".")[0]


def _at_the_prompt(talk: Talk) -> None:
    while True:
        try:
            message = input(PROMPT).strip()
        except (EOFError, KeyboardInterrupt):
            _write("\n")
            return
        key = uuid4().hex
        try:
            if message:
                talk.say(message, key)
        except KeyboardInterrupt:
            _write("\n")
            note(f"no longer watched; it goes on, and is not said twice with --id {key}")
        except AOSError as error:
            note(str(error))


def _write(text: str) -> None:
    """Text of several lines, its other control characters spelled out."""
    sys.stdout.write("\n".join(printable(line) for line in text.replace("\t", "    ").split("\n")))
