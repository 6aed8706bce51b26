"""The command as its users have it: processes, a server on loopback, files."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from AgentOperatingSystem.cli.app import run

AOS = str(Path(sysconfig.get_path("scripts")) / "aos")
APP = """
import asyncio
from AgentOperatingSystem import BaseAgent, Quarantine, Terminal

class Desk(BaseAgent):
    async def on_event(self, event, context):
        if event.data == "bad" and context.attempt == 1 and not event.generation:
            raise Quarantine("I do not like it")
        if event.data == "never":
            raise Terminal("no")
        if event.data == "slow":
            await asyncio.sleep(60)
        self.state["n"] = self.state.get("n", 0) + 1
        await context.publish("desk.counted", {"n": self.state["n"]})
        return {"n": self.state["n"]}
"""
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
ENVIRONMENT["AOS_PORT"] = "1"  # nobody listens there; servers of the tests are found by their data folder
ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)  # each of a hundred processes would compile everything anew


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled files lie in a folder of the tests."""
    ENVIRONMENT["PYTHONPYCACHEPREFIX"] = str(tmp_path_factory.mktemp("compiled"))


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


class Place:
    """A folder to run commands in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "desk.py").write_text(APP)

    def aos(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ran:
        """Runs a command in this process, over the real network: a hundred processes would take minutes."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in [name for name in os.environ if name not in ENVIRONMENT]:
                patch.delenv(name)
            for name, value in {**ENVIRONMENT, **environment}.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            code = run(arguments)
        return Ran(code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ran:
        """Runs a command as it is run."""
        ran = subprocess.run(
            [AOS, *arguments],
            cwd=self.folder,
            env={**ENVIRONMENT, **environment},
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [AOS, *arguments],
            cwd=self.folder,
            env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @contextmanager
    def up(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """A server, until the end of the block; it ends well."""
        server = self.start("up", "desk.py", *arguments)
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert "listening on" in line, line + (server.stderr.read() if server.stderr else "")
            yield server
        finally:
            server.terminate()
            _, err = server.communicate(timeout=30)
        assert "Traceback" not in err
        assert server.returncode in (0, -signal.SIGKILL)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place in which a server runs, on a port that the commands find by themselves."""
    place = Place(tmp_path_factory.mktemp("desk"))
    with place.up("--port", "0"):
        yield place


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


def lines(process: "subprocess.Popen[str]", count: int) -> list[Any]:
    assert process.stdout is not None
    return [json.loads(process.stdout.readline()) for _ in range(count)]


def test_the_command_itself(desk: Place) -> None:
    sent = desk.process("send", "desk/itself", "-", "--wait", "10", "--json", stdin=b'{"a": 1}')
    assert (sent.document["status"], sent.document["result"], sent.err) == ("done", {"n": 1}, "")
    refused = desk.process("ps", AOS_TOKEN="wrong-token")
    assert (refused.code, refused.out) == (5, "")
    assert refused.err == "aos: the token is wrong; send the header 'Authorization: Bearer <token>'\n"


def test_an_event_its_result_its_state_and_its_history(desk: Place) -> None:
    assert desk.aos("send", "desk/way", '{"a": 1}', "--wait", "10", "--id", "e1", "--subject", "s").out == '{"n": 1}\n'
    assert desk.aos("state", "desk/way").document == {"n": 1}
    shown = desk.aos("show", "desk/way", "e1", "--json").document
    assert (shown["status"], shown["event"]["subject"], shown["source"]) == ("done", "s", "/cli")
    assert [each["id"] for each in desk.aos("history", "desk/way", "--json").document["items"]] == ["e1"]
    assert "desk/way" in desk.aos("ps").out
    assert desk.aos("show", "desk/way").err == ""


def test_data_from_a_file_and_from_standard_input(desk: Place) -> None:
    (desk.folder / "data.json").write_text('{"from": "file"}')
    assert desk.aos("send", "desk/data", "@data.json", "--wait", "10", "--id", "1").code == 0
    assert desk.aos("send", "desk/data", "-", "--wait", "10", "--id", "2", stdin=b'"stdin"').code == 0
    found = [each["event"]["data"] for each in desk.aos("history", "desk/data", "--json").document["items"]]
    assert found == [{"from": "file"}, "stdin"]


def test_the_same_id_is_the_same_event(desk: Place) -> None:
    first = desk.aos("send", "desk/same", "1", "--id", "x", "--wait", "10", "--json").document
    assert desk.aos("send", "desk/same", "1", "--id", "x", "--wait", "10", "--json").document == first
    reused = desk.aos("send", "desk/same", "2", "--id", "x")
    assert (reused.code, reused.out) == (2, "")
    assert "another body" in reused.err


def test_without_waiting_the_event_is_accepted_and_handled_later(desk: Place) -> None:
    accepted = desk.aos("send", "desk/later", "1", "--id", "x", "--json").document
    assert (accepted["status"], accepted["id"], accepted["agent"]) == ("accepted", "x", "desk/later")
    assert desk.aos("send", "desk/later", "1", "--id", "x", "--wait", "10").out == '{"n": 1}\n'


@pytest.mark.parametrize(
    ("data", "out"),
    [('"never"', "failed: "), ('"bad"', "quarantined: ")],
)
def test_an_event_that_ends_badly_is_exit_code_1(desk: Place, data: str, out: str) -> None:
    ran = desk.aos("send", "desk/badly", data, "--wait", "10")
    assert ran.code == 1
    assert ran.out.startswith(out)
    assert ran.err == ""


def test_an_event_that_does_not_end_in_time_is_exit_code_1_and_goes_on(desk: Place) -> None:
    ran = desk.aos("send", "desk/slow", '"slow"', "--wait", "0.2", "--id", "slow")
    assert ran.code == 1
    assert ran.out == "accepted: event slow for desk/slow\n"
    assert ran.err == "aos: not ended within 0.2 s; it goes on: `aos show desk/slow slow --source /cli`\n"
    assert desk.aos("stop", "desk/slow").code == 0


def test_control(desk: Place) -> None:
    assert desk.aos("send", "desk/control", "1", "--wait", "10").code == 0
    assert desk.aos("pause", "desk/control", "--reason", "lunch").out == "desk/control is paused\n"
    assert desk.aos("send", "desk/control", "2", "--id", "waits").code == 0
    assert desk.aos("send", "desk/control", "2", "--id", "waits", "--wait", "0.1").code == 1
    assert "waits" in desk.aos("mailbox", "desk/control").out
    assert desk.aos("resume", "desk/control").code == 0
    assert desk.aos("send", "desk/control", "2", "--id", "waits", "--wait", "10").out == '{"n": 2}\n'


def test_quarantine(desk: Place) -> None:
    assert desk.aos("send", "desk/q", '"bad"', "--id", "b", "--wait", "10").code == 1
    items = desk.aos("quarantine", "ls", "--json").document["items"]
    key = next(each["event_key"] for each in items if each["agent"] == "desk/q")
    assert desk.aos("quarantine", "redrive", "desk/q", key).code == 0
    assert desk.aos("send", "desk/q", '"bad"', "--id", "b", "--wait", "10").out == '{"n": 1}\n'


def test_a_schedule_comes_in_its_time(desk: Place) -> None:
    tail = desk.start("tail", "desk/clock", "--after", "0", "--count", "1", "--json")
    assert desk.aos("schedule", "add", "desk/clock", "soon", '"tick"', "--in", "0.1").code == 0
    out, err = tail.communicate(timeout=30)
    assert (tail.returncode, err) == (0, "")
    assert json.loads(out)["event"]["data"] == "tick"


def test_export_and_import(desk: Place) -> None:
    assert desk.aos("send", "desk/copied", "1", "--wait", "10").code == 0
    assert desk.aos("export", "desk/copied", "copy.json").code == 0
    assert desk.aos("import", "-", "--as", "desk/copy", stdin=(desk.folder / "copy.json").read_bytes()).code == 0
    assert desk.aos("state", "desk/copy").document == {"n": 1}


def test_tail_of_publications_ends_with_ctrl_c(desk: Place) -> None:
    tail = desk.start("tail", "--topic", "desk.#", "--after", "0", "--json")
    assert desk.aos("send", "desk/loud", "1", "--wait", "10").code == 0
    assert lines(tail, 1)[0]["topic"] == "desk.counted"
    tail.send_signal(signal.SIGINT)
    _, err = tail.communicate(timeout=30)
    assert (tail.returncode, err) == (0, "")


def test_tail_goes_on_behind_a_restart_and_leaves_nothing_out(here: Place) -> None:
    port = free_port()
    with here.up("--port", port):
        assert here.aos("send", "desk", "1", "--wait", "10").code == 0
        tail = here.start("tail", "desk", "--after", "0", "--count", "3", "--json")
        assert lines(tail, 1)[0]["result"] == {"n": 1}
    with here.up("--port", port):
        for _ in range(2):
            assert here.aos("send", "desk", "1", "--wait", "10").code == 0
        assert [each["result"] for each in lines(tail, 2)] == [{"n": 2}, {"n": 3}]
        tail.communicate(timeout=30)
    assert tail.returncode == 0


def test_a_killed_server_is_found_again_with_all_that_it_had(here: Place) -> None:
    with here.up("--port", "0") as server:
        assert here.aos("send", "desk", "1", "--wait", "10").code == 0
        server.kill()
        server.wait(30)
    down = here.aos("send", "desk", "2", "--id", "x")
    assert (down.code, down.out) == (3, "")
    assert down.err.startswith("aos: no system answers at http://127.0.0.1:")
    assert here.aos("state", "desk").document == {"n": 1}
    with here.up("--port", "0"):
        assert here.aos("send", "desk", "2", "--id", "x", "--wait", "10").out == '{"n": 2}\n'


def test_what_is_decided_without_a_server_holds_at_the_next_start(here: Place) -> None:
    with here.up("--port", "0"):
        assert here.aos("send", "desk", '"bad"', "--wait", "10").code == 1
        key = here.aos("quarantine", "ls", "--json").document["items"][0]["event_key"]
    assert here.aos("quarantine", "edit", "desk", key, '"good"', "--app", "desk.py").code == 0
    with here.up("--port", "0"):
        tail = here.start("tail", "desk", "--after", "0", "--count", "1", "--json")
        assert lines(tail, 1)[0]["status"] == "done"
        tail.communicate(timeout=30)


def test_a_system_elsewhere_is_named_with_its_token(desk: Place, here: Place) -> None:
    url = (desk.folder / ".aos" / "url").read_text().strip()
    token = (desk.folder / ".aos" / "token").read_text().strip()
    assert here.aos("ps", "--url", url, "--token", token).code == 0
    assert here.aos("ps", AOS_URL=url, AOS_TOKEN=token).code == 0
    for refused in (here.aos("ps", "--url", url), here.aos("ps", "--url", url, "--token", "wrong-token")):
        assert (refused.code, refused.out) == (5, "")
        assert refused.err.count("\n") == 1
        assert "token" in refused.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["send", "nobody", "1"], 4, "no agent is registered as 'nobody'; registered: desk"),
        (["send", "a|b", "1"], 2, "agent name 'a|b'"),
        (["send", "aos.unrouted", "1"], 5, "aos.unrouted"),
        (["send", "desk", "text"], 2, "DATA is not JSON"),
        (["send", "desk", "@missing"], 4, "there is no file 'missing'"),
        (["send", "desk", "@/proc/self/mem"], 2, "cannot be read"),
        (["send", "desk", "1e999"], 2, "JSON"),
        (["send", "desk", '"\\ud800"'], 2, "JSON"),
        (["send", "desk", "[" * 400 + "]" * 400], 2, "deep"),
        (["send", "desk", "9" * 5000], 2, "DATA is not JSON"),
        (["send", "desk", "1", "--id", "x" * 2000], 2, "id"),
        (["send", "desk", "1", "--priority", "10"], 2, "priority"),
        (["send", "desk", "1", "--type", ""], 2, "type"),
        (["show", "desk", "no-such-event"], 4, "no-such-event"),
        (["state", "desk/never"], 4, "has never been woken"),
        (["resume", "nobody"], 4, "nobody"),
        (["schedule", "add", "desk", "x", "--cron", "61 * * * *"], 2, "cron"),
        (["schedule", "add", "desk", "x", "--cron", "0 0 * * *", "--timezone", "Mars/Base"], 2, "Mars/Base"),
        (["schedule", "cancel", "desk", "no-such"], 4, "no-such"),
        (["tail", "nobody"], 4, "nobody"),
        (["tail", "--topic", "a..b"], 2, "a..b"),
        (["tail", "desk", "--after", "nonsense"], 2, "nonsense"),
        (["ps", "--after", "x" * 5000], 2, "after"),
        (["ps", "--url", "http://127.0.0.1:1"], 3, "no system answers at http://127.0.0.1:1"),
        (["tail", "--url", "http://127.0.0.1:1"], 3, "no system answers at http://127.0.0.1:1"),
        (["ps", "--url", "nonsense"], 2, "a URL looks like"),
    ],
)
def test_a_mistake_is_one_line_and_its_exit_code(desk: Place, arguments: list[str], code: int, message: str) -> None:
    ran = desk.aos(*arguments)
    assert (ran.code, ran.out) == (code, ""), ran.err
    assert ran.err.startswith("aos: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err


def test_a_body_that_is_too_large_is_refused(desk: Place) -> None:
    ran = desk.aos("send", "desk", "-", stdin=b'"' + b"x" * (2 << 20) + b'"')
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up"], "which agents?"),
        (["up", "missing.py"], "there is no file"),
        (["up", "desk.py", "--port", "99999"], "port"),
        (["up", "desk.py", "--host", "0.0.0.0"], "AOS_TOKEN"),
        (["up", "desk.py", "--port", "{taken}"], "Address already in use"),
        (["up", "broken.py", "--port", "0"], "broken.py:1"),
    ],
)
def test_a_server_that_cannot_start_says_why(here: Place, arguments: list[str], message: str) -> None:
    (here.folder / "broken.py").write_text("1 +")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = here.aos(*(each.format(taken=taken.getsockname()[1]) for each in arguments))
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.count("\n") == 1


async def test_a_model_s_host_speaks_to_the_agents(here: Place) -> None:
    server = StdioServerParameters(command=AOS, args=["mcp", "--app", "desk.py"], cwd=here.folder, env=ENVIRONMENT)
    with (here.folder / "log").open("w") as log:
        async with Client(stdio_client(server, errlog=log)) as client:
            told = await client.call_tool("send_event", {"agent": "desk", "type": "x", "wait_seconds": 20})
            assert told.structured_content is not None
            assert told.structured_content["result"] == {"n": 1}
    assert here.process("state", "desk").document == {"n": 1}


def test_a_model_s_host_is_told_what_is_wrong(here: Place) -> None:
    ran = here.process("mcp", "--app", "missing.py")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("aos: app 'missing.py': there is no file")


def test_the_doctor_sees_the_server(desk: Place, here: Place) -> None:
    report = desk.aos("doctor", "--json").document
    found = {finding["name"]: finding["status"] for finding in report["findings"]}
    assert report["ok"]
    assert (found["server"], found["token"], found["ready"], found["store"]) == ("ok",) * 4
    wrong = here.aos("doctor", "--url", (desk.folder / ".aos" / "url").read_text().strip(), "--token", "wrong-token")
    assert wrong.code == 1
    assert "FAULT" in wrong.out
