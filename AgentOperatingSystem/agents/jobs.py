"""Jobs: a tool that outlives every limit is submitted, and its event waits for the end without running.

`thinking.call_tool` comes here where a tool answered `Submitted`. The end comes from outside (`POST /api/v1/jobs/…`, an
`aos.answer` event), or is asked for by the tool's `poll` at growing intervals. The submission is a step with its
idempotency key, so that a retry attaches to the same job.
"""

import inspect
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from AgentOperatingSystem.agents.step_calls import StepCalls
from AgentOperatingSystem.agents.steps import Call, Done, Journal, StepKind, hash_of
from AgentOperatingSystem.agents.waiting import JobEnd, wait_for
from AgentOperatingSystem.errors import ConfigurationError, Terminal
from AgentOperatingSystem.events import Event, encode
from AgentOperatingSystem.mcp.context_server import current_turn
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.records import ToolResult

JOBS = "aos.jobs"
"""The agent that cancels jobs (`orchestration/jobs.py`)."""
CANCEL = "aos.job.cancel"
POLL_SECONDS_MAX = 3600.0
"""The longest time between two polls; each is twice as long as the one before."""


def completion_path() -> str:
    """Where the job that the tool under way submits is to be told finished: the path that takes `{"job_id", "result"}`
    or `{"job_id", "error"}`. Raises `ConfigurationError` outside of an event's handling.
    """
    turn = current_turn()
    if turn is None:
        raise ConfigurationError("only a tool that is called in the handling of an event can submit a job")
    key = f"?key={quote(turn.agent.key, safe='')}" if turn.agent.key else ""
    return f"/api/v1/jobs/{quote(turn.agent.name, safe='')}/{turn.event.key}{key}"


def stamped(result: ToolResult, journal: Journal) -> ToolResult:
    """A tool's result; one that is a job says when it was submitted, for every try to count from."""
    if result.job is None:
        return result
    return replace(result, job=replace(result.job, submitted_at=journal.clock()))


async def result_of(tool: Tool, submitted: ToolResult, journal: Journal | None) -> ToolResult:
    """What a job came to; the event waits until it has ended, or its time is over. Outside of an event's handling it is
    only submitted.
    """
    job, turn = submitted.job, current_turn()
    if job is None or journal is None or not isinstance(turn, StepCalls):
        return submitted
    wants = JobEnd(tool.record.name, job.job_id)
    began = job.submitted_at or turn.now()  # the context's time stands still: it may be long before
    until, pause, error = began + job.expires_seconds, tool.poll_seconds, ""
    due = began + pause if tool.poll is not None else until
    while True:
        done = await journal.wait(wait_for(wants, wants.tool, job.job_id), min(due, until), _nobody)
        if not done.is_error:
            return _ended(tool, msgspec.json.decode(done.content))
        polled = await _polled(tool, job.job_id, journal) if tool.poll is not None else {"at": until}
        if "result" in polled:
            return tool.told(polled["result"])
        if "failed" in polled:
            return ToolResult(content=f"the job failed: {polled['failed']}", is_error=True)
        error = polled.get("error", "")
        if polled["at"] >= until:
            because = f"; the last poll said: {error}" if error else ""
            if job.cancel:  # nobody waits for it any more
                about = {"tool": wants.tool, "job_id": job.job_id, "cancel": job.cancel}
                turn.order(JOBS, about, type=CANCEL)
            told = f"{wants.tool}: job {job.job_id} did not end within {job.expires_seconds:g} s{because}"
            return ToolResult(content=told, is_error=True)
        pause = min(2 * pause, POLL_SECONDS_MAX)
        due = polled["at"] + pause


def _nobody(correlation: str) -> list[Event]:
    """Whoever does the job was asked when it was submitted."""
    return []


def _ended(tool: Tool, said: Any) -> ToolResult:
    if isinstance(said, dict) and said.get("error"):
        return ToolResult(content=f"the job failed: {said['error']}", is_error=True)
    return tool.told(said.get("result") if isinstance(said, dict) and "result" in said else said)


async def _polled(tool: Tool, job_id: str, journal: Journal) -> dict[str, Any]:
    """One look at the job, as a step: when it was, and the result where there is one."""

    async def run(_: str) -> Done:
        assert tool.poll is not None
        at = journal.clock()
        try:
            found = tool.poll(job_id)
            found = await found if inspect.isawaitable(found) else found
        except Terminal as error:
            return Done(content=encode({"at": at, "failed": str(error)[:500]}))
        except Exception as error:
            return Done(content=encode({"at": at, "error": f"{type(error).__name__}: {error}"[:500]}))
        return Done(content=encode({"at": at} if found is None else {"at": at, "result": found}))

    name = tool.record.name
    call = Call(
        kind=StepKind.FUNCTION, what=f"poll {name}", hash=hash_of("poll", name, job_id), about={"job_id": job_id}
    )
    looked: dict[str, Any] = msgspec.json.decode((await journal.run(call, run)).content)
    return looked
