"""`GpuJob`: a tool that submits a job to Azure Machine Learning and lets its event wait, without running, for the end.

A mind or `Context.call` calls it like any tool; `jobs.py` does the waiting. The end comes as an Event Grid event
(`orchestration/job_events.py`), or is found by a poll. The template of the job stands in the endpoints' file.
"""

from typing import Any

from AgentOperatingSystem.errors import InvalidInput, Terminal
from AgentOperatingSystem.mcp.context_server import current_turn
from AgentOperatingSystem.ml.running import gpu_jobs
from AgentOperatingSystem.tools.base import Tool
from AgentOperatingSystem.tools.records import Effect, Submitted

TENANT, AGENT, EVENT = "aostenant", "aosagent", "aosevent"
"""Tags of a job that say which event waits for it: Event Grid's events carry a job's tags."""


async def look(job_id: str) -> Any:
    """What a job came to; None while it goes on. Raises `Terminal` where it failed or is not there, and the
    `ModelError`s of a service that cannot be had.
    """
    found = await gpu_jobs().find(job_id)
    if found is None:
        raise Terminal(f"the workspace has no job {job_id}")
    if not found.has_ended:
        return None
    if not found.is_well:
        raise Terminal(f"job {job_id}: {found.status}")
    return {"job": found.name, "status": found.status, "outputs": found.outputs}


async def stop(job_id: str) -> None:
    """Cancels a job. Raises the `ModelError`s of a service that cannot be had."""
    await gpu_jobs().cancel(job_id)


class GpuJob(Tool):
    """Submits the job `template` of the endpoints' file with the inputs that the caller gives.

    Safe to repeat: the job is named after the step, so that a retry, on whatever host, attaches to the job that runs.
    It is cancelled with its event, and when `expires_seconds` are over.
    """

    effect = Effect.IDEMPOTENT

    def __init__(
        self,
        template: str,
        *,
        name: str = "",
        description: str = "",
        expires_seconds: float = 86_400.0,
        poll_seconds: float = 60.0,
    ) -> None:
        self.template = template
        self.name = name or f"run_{template}".replace("-", "_")
        self.description = description or f"Runs the GPU job {template!r} and answers where its outputs lie."
        self.expires_seconds = expires_seconds
        self.poll_seconds = poll_seconds
        self.poll = look
        self.cancel = stop

    async def run(self, inputs: dict[str, Any], idempotency_key: str = "") -> Submitted:
        """Submits the job.

        Args:
            inputs: The job's inputs by name: texts, numbers, or addresses of data.
        """
        turn = current_turn()
        if turn is None or not idempotency_key:
            raise InvalidInput(f"{self.name}: a job is submitted in the handling of an event")
        tags = {TENANT: turn.agent.tenant, AGENT: str(turn.agent), EVENT: turn.event.key}
        job = await gpu_jobs().submit(self.template, idempotency_key, inputs, tags)
        return Submitted(job, self.expires_seconds)
