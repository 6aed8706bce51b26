"""`Tool`: what a model may call. Subclass it for a tool with a life of its own, or make one of a function
(`function_tool`).

An agent's mind calls `call` with what a model wrote and hands the `ToolResult` back to it; Python code calls the tool
itself and gets the value or the exception. Between the two lies the rule: errors go to the model as errors, never as
success.
"""

import asyncio
import inspect
import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from AgentOperatingSystem.errors import AOSError, ConfigurationError, HandlerError, InvalidInput, RequestTimedOut
from AgentOperatingSystem.observability.redaction import redact
from AgentOperatingSystem.tools.cancels import named
from AgentOperatingSystem.tools.docstrings import described
from AgentOperatingSystem.tools.records import Effect, Job, Submitted, ToolRecord, ToolResult
from AgentOperatingSystem.tools.signatures import Signature

ERROR_LENGTH_MAX = 2000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_log = logging.getLogger("AgentOperatingSystem.tools")


class Tool:
    """A subclass defines `run` with type hints, plain or `async`; its parameters become the tool's JSON schema.

    Class attributes: `name` (default: the class's name in snake case, without `Tool`), `description` (default: the
    docstring of `run`, or of the class), `effect`, `result_bytes_max`, `timeout_seconds`. A plain `run` runs in a
    thread, so it may block; it cannot be stopped when the time is over.
    """

    name: str = ""
    description: str = ""
    effect: Effect | str = Effect.AT_MOST_ONCE
    result_bytes_max: int = 64 * 1024
    timeout_seconds: float = 60.0

    run: Callable[..., Any]
    verify: Callable[..., Any] | None = None
    """For `effect="verify"`: called with the idempotency key and the arguments of a call of unknown outcome; answers
    its result, or None where it has not happened, and raises where nobody can tell.
    """

    @cached_property
    def record(self) -> ToolRecord:
        """The tool as models and ledgers see it. Raises `ConfigurationError` where it is not well formed."""
        told = described(self._function.__doc__)
        return ToolRecord(
            name=_checked_name(self.name or _snake_case(type(self).__name__)),
            description=self.description or told.summary or described(type(self).__doc__).summary,
            parameters=self._signature.schema,
            effect=_effect(self.effect),
        )

    approval: Callable[..., Any] | str = ""
    """`"always"`, or a policy, plain or `async`: called with the arguments, it says whether (true, or why) a person has
    to approve the call first. Denied or not answered in time, the call is not made, and the model reads that.
    """
    approval_seconds: float = 7 * 86_400.0
    """How long a person has time to approve."""
    poll: Callable[..., Any] | None = None
    """For a tool that returns `Submitted`: called with the job's id, answers its result, or None while it goes on;
    raises `Terminal` where the job has failed.
    """
    poll_seconds: float = 60.0
    """The time to the first poll; each further one comes after twice the time, at most an hour."""
    cancel: Callable[..., Any] | None = None
    """Called with the job's id when nobody waits for it any more, because the event was cancelled or the job's time is
    over; a function at the top of a module.
    """

    def complaint(self, arguments: Mapping[str, Any]) -> str:
        """What is wrong with arguments; empty where nothing is."""
        try:
            self._signature.checked(arguments)
        except InvalidInput as error:
            return str(error)
        return ""

    async def call(
        self, arguments: Mapping[str, Any] | str, *, idempotency_key: str = "", timeout_seconds: float | None = None
    ) -> ToolResult:
        """A model's call: arguments as an object or as its JSON text. Everything that goes wrong is in the result.

        `idempotency_key` is handed to a function that has a parameter of this name; the model does not see it.
        `timeout_seconds` replaces the tool's own. Only `HandlerError` is raised: with it a tool tells the kernel, not
        the model, what is to happen.
        """
        try:
            given = self._signature.checked(_object(self.record.name, arguments), idempotency_key)
            return self.told(await self._run(given, timeout_seconds))
        except HandlerError:
            raise
        except AOSError as error:
            return _error(str(error))
        except Exception as error:
            _log.info("tool %s failed", self.record.name, exc_info=True)
            return _error(f"{type(error).__name__}: {error}")

    def noted(self, arguments: Mapping[str, Any], result: ToolResult) -> None:
        """Told of each result that a model gets, whether the call was made now or is read back because its event is
        tried again. Nothing by default; a tool that collects does it here.
        """

    async def happened(self, arguments: Mapping[str, Any], idempotency_key: str) -> ToolResult | None:
        """Whether a call of unknown outcome has happened, by the tool's `verify` hook: its result, or None.

        Raises `ConfigurationError` where there is no hook, and what the hook raises where it cannot tell.
        """
        if self.verify is None:
            raise ConfigurationError(f"tool {self.record.name}: effect 'verify' needs a verify hook")
        value = self.verify(idempotency_key, **self._signature.checked(arguments))
        found = await value if inspect.isawaitable(value) else value
        return None if found is None else self.told(found)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A call from Python: the value itself, or the exception. Raises `InvalidInput` for wrong arguments."""
        return await self.invoke(args, kwargs)

    async def invoke(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, timeout_seconds: float | None = None
    ) -> Any:
        """As a call from Python; `timeout_seconds` replaces the tool's own."""
        return await self._run(self._signature.bound(args, kwargs), timeout_seconds)

    @property
    def _function(self) -> Callable[..., Any]:
        function = getattr(self, "run", None)
        if function is None:
            raise ConfigurationError(f"tool {type(self).__name__}: it has no method `run`")
        return self.run

    @cached_property
    def _signature(self) -> Signature:
        name = self.name or _snake_case(type(self).__name__)
        return Signature(name, self._function, described(self._function.__doc__))

    async def _run(self, arguments: Mapping[str, Any], timeout_seconds: float | None = None) -> Any:
        limit = asyncio.timeout(timeout_seconds or self.timeout_seconds)
        try:
            async with limit:
                if inspect.iscoroutinefunction(self._function):
                    return await self._function(**arguments)
                return await _settled(await asyncio.to_thread(self._function, **arguments))
        except TimeoutError:
            if limit.expired():
                raise RequestTimedOut(f"{self.record.name}: no answer within {self.timeout_seconds} s") from None
            raise

    def told(self, value: Any) -> ToolResult:
        """What a model is told of a value that `run` returned."""
        if isinstance(value, Submitted):
            job = Job(job_id=value.job_id, expires_seconds=value.expires_seconds, cancel=named(self.cancel))
            return ToolResult(content=f"submitted as job {value.job_id}", job=job)
        try:
            content = value if isinstance(value, str) else to_json(value).decode()
        except (PydanticSerializationError, UnicodeDecodeError) as error:
            return _error(f"{self.record.name}: its result cannot be written as JSON: {error}")
        size = len(content.encode("utf-8", "surrogatepass"))
        if size > self.result_bytes_max:
            limit = self.result_bytes_max
            return _error(f"{self.record.name}: its result has {size} bytes; the limit is {limit}. Ask for less.")
        return ToolResult(content=content)


async def _settled(value: Any) -> Any:
    """The value of a plain function that returned an awaitable, such as a lambda around a coroutine function."""
    return await value if inspect.isawaitable(value) else value


def _object(name: str, arguments: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """The arguments as an object. Models also write text that is none, or nothing for no arguments."""
    if not isinstance(arguments, str):
        return arguments
    try:
        given = json.loads(arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{name}: the arguments are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise InvalidInput(f"{name}: the arguments are not a JSON object")
    return given


def _error(message: str) -> ToolResult:
    return ToolResult(content=redact(message)[:ERROR_LENGTH_MAX], is_error=True)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"tool name {name[:80]!r}: use 1 to 64 letters, digits or '_', no digit first")
    return name


def _effect(effect: Effect | str) -> Effect:
    try:
        return Effect(effect)
    except ValueError:
        raise ConfigurationError(f"effect {effect!r}: use one of {', '.join(Effect)}") from None


def _snake_case(name: str) -> str:
    """`WebSearchTool` as `web_search`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.removesuffix("Tool") or name).lower()
