"""GPU work that outlasts a call: jobs of an Azure Machine Learning workspace, submitted once, looked at, cancelled.

`agents.gpu_jobs` makes a tool of it. A job's name is derived from the idempotency key of the step that submits it, so
that a retry names the same job: Azure Resource Manager's PUT creates what is not there and answers with what is. (The
`/jobs` route of a batch endpoint names its jobs itself, and a second call there is a second job; so it is not used.)
Source: https://learn.microsoft.com/rest/api/azureml/jobs (2024-10-01).
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import msgspec

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.layers import environment_names
from AgentOperatingSystem.errors import BadModelRequest, ConfigurationError, ModelUnavailable, RateLimited, UnknownModel
from AgentOperatingSystem.ml.azure import entra_source
from AgentOperatingSystem.ml.azure_ml import read_file
from AgentOperatingSystem.ml.http import HttpEdge
from AgentOperatingSystem.ml.tokens import RenewedToken, TokenHeaders, TokenSource
from AgentOperatingSystem.reliability import retry

SCOPE = "https://management.azure.com/.default"
NEEDS_TOKENS = "Azure ML jobs"
API_VERSION = "2024-10-01"
CALL_SECONDS_MAX = 30.0
ENDED_WELL = frozenset({"Completed", "Finished"})
"""`Completed` for most kinds of jobs; `Finished` also means that no error occurred."""
ENDED_BADLY = frozenset({"Failed", "Canceled", "NotResponding"})
_NAME_DIGITS = 40


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the workspace shows it."""

    name: str
    status: str
    """One of Azure's words, such as `Queued`, `Running`, `Completed`, `Failed`, `Canceled`."""
    outputs: dict[str, Any] = {}
    """Where its outputs lie, by name."""

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED_WELL or self.status in ENDED_BADLY

    @property
    def is_well(self) -> bool:
        return self.status in ENDED_WELL


def job_name(template: str, key: str) -> str:
    """The name of the job that a step with this idempotency key submits: the same at every try."""
    return f"aos-{sha256(f'{template}/{key}'.encode()).hexdigest()[:_NAME_DIGITS]}"


def job_body(template: Mapping[str, Any], inputs: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """A job's body: the template with values for its inputs, and tags. Pure.

    An input that the template declares as a file, a folder or the like (`jobInputType`) gets the value as its `uri`;
    every other one is a literal. Raises `ConfigurationError` where the template is none.
    """
    declared = template.get("inputs") or {}
    if not isinstance(template.get("jobType"), str) or not isinstance(declared, Mapping):
        raise ConfigurationError("a job's template has a jobType and inputs, as Azure Resource Manager takes them")
    given = {name: _input(declared.get(name), value) for name, value in inputs.items()}
    told = {**(template.get("tags") or {}), **tags}
    return {"properties": {**template, "inputs": {**declared, **given}, "tags": told}}


def read_state(answer: Any) -> JobState:
    """A job from what Resource Manager answers. Raises `msgspec.ValidationError`."""
    found = msgspec.convert(answer, _Job)
    outputs = {name: output.get("uri") for name, output in (found.properties.outputs or {}).items() if output}
    return JobState(name=found.name, status=found.properties.status, outputs=outputs)


class AzureMLJobs:
    """The jobs of the configured workspace.

    Calls are tried three times. Raises `ConfigurationError` where no workspace or no such template is configured, and
    the `ModelError`s of a service that cannot be had or refuses.
    """

    def __init__(
        self,
        config: AOSConfig,
        clock: Clock | None = None,
        tokens: TokenSource | None = None,
        credential: Any = None,
    ) -> None:
        if config.azureml_workspace is None:
            names = ", ".join(environment_names("azureml_workspace"))
            raise ConfigurationError(f"Azure ML jobs need the setting azureml_workspace ({names}); see docs/gpu.md")
        self._clock = clock or SystemClock()
        self._templates = read_file(config.azureml_endpoints_file).jobs
        self._file = config.azureml_endpoints_file
        self._jobs = f"{config.azureml_workspace}/jobs"
        token = RenewedToken(tokens or entra_source(SCOPE, NEEDS_TOKENS, credential), self._clock)
        self._edge = HttpEdge("azureml jobs", config.azureml_management_url, TokenHeaders(token))

    async def submit(self, template: str, key: str, inputs: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """The name of the job that runs for this key, which is begun unless it is there."""
        if template not in self._templates:
            there = ", ".join(self._templates) or "none"
            raise ConfigurationError(f"job {template!r}: azureml_endpoints_file {self._file} has no such job: {there}")
        name = job_name(template, key)
        body = job_body(self._templates[template], inputs, tags)
        try:
            await self._call("PUT", f"/{name}", body)
        except BadModelRequest:
            if await self.find(name) is None:  # what is there may not be changed by a second PUT, and need not be
                raise
        return name

    async def find(self, name: str) -> JobState | None:
        """The job; None where there is none."""
        try:
            return read_state(await self._call("GET", f"/{name}", None))
        except UnknownModel:
            return None

    async def cancel(self, name: str) -> None:
        """Cancels the job; one that has ended, or never was, stays as it is."""
        try:
            await self._call("POST", f"/{name}/cancel", None)
        except UnknownModel:
            return
        except BadModelRequest:
            found = await self.find(name)
            if found is not None and not found.has_ended:
                raise

    async def close(self) -> None:
        await self._edge.close()

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        where = f"{self._jobs}{path}?api-version={API_VERSION}"
        return await retry(
            lambda: self._edge.call(where, body, CALL_SECONDS_MAX, method=method),
            on=(RateLimited, ModelUnavailable),
            attempts_max=3,
            base_seconds=0.5,
            max_seconds=10.0,
            clock=self._clock,
        )


class _Properties(msgspec.Struct, frozen=True):
    status: str = "NotStarted"
    outputs: dict[str, dict[str, Any] | None] | None = None


class _Job(msgspec.Struct, frozen=True):
    name: str
    properties: _Properties = _Properties()


def _input(declared: Any, value: Any) -> dict[str, Any]:
    kind = declared.get("jobInputType", "literal") if isinstance(declared, Mapping) else "literal"
    if kind != "literal":
        return {**declared, "uri": str(value)}
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return {"jobInputType": "literal", "value": text}
