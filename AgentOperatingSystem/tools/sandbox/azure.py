"""`AzureSandbox`: programs in Azure Container Apps dynamic sessions, each session behind a Hyper-V boundary.

The composition file makes one per deployment; `for_run` gives the sandbox of one agent's run. Sources: the REST
description Microsoft.App.DynamicSessions 2025-10-02-preview, and "Serverless code interpreter sessions in Azure
Container Apps" (Microsoft Learn), which also names the role that the host's identity needs.
"""

import base64
import hmac
import json
import logging
import math
import secrets
import textwrap
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr

from AgentOperatingSystem.config.azure_roles import missing_role
from AgentOperatingSystem.config.references import LiveSecret
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, Overloaded, ServiceError, TooLarge
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.tools.sandbox.records import CODE_BYTES_MAX, KIB, MIB, ExitReason, SandboxResult

API_VERSION = "2025-10-02-preview"
SCOPE = "https://dynamicsessions.io/.default"
TIMEOUT_SECONDS_MAX = 220  # the service's own limit for one execution
START_SECONDS_MAX = 60.0  # what a session that is not warm may take on top
_log = logging.getLogger(__name__)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Token(Protocol):
    """What a credential answers."""

    @property
    def token(self) -> str: ...


class Credential(Protocol):
    """An asynchronous Microsoft Entra credential, such as those of azure-identity."""

    async def get_token(self, *scopes: str) -> Token: ...


@dataclass(frozen=True, kw_only=True)
class SessionPool:
    """A pool of sessions: where it is managed, and the key that its session names are derived with."""

    endpoint: str  # https://<region>.dynamicsessions.io/subscriptions/…/sessionPools/<name>
    key: bytes | SecretStr  # at least 32 bytes; who knows it can name every session

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ConfigurationError(f"session pool {self.endpoint!r}: must be https, for a token is sent there")
        if isinstance(self.key, bytes):
            _checked_key(self.key)
        elif not isinstance(self.key, LiveSecret):  # which is read later
            _checked_key(self.key.get_secret_value().encode())

    def session_id(self, agent: AgentId, run: str) -> str:
        """HMAC over tenant, agent and run: no one can guess it, and no two runs of any tenants share a session."""
        parts = (part.encode() for part in (agent.tenant, agent.name, agent.key, run))
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        key = self.key if isinstance(self.key, bytes) else _checked_key(self.key.get_secret_value().encode())
        return hmac.new(key, message, "sha256").hexdigest()


def _checked_key(key: bytes) -> bytes:
    if len(key) < 32:
        raise ConfigurationError(f"session pool: the key has {len(key)} bytes; it needs at least 32")
    return key


class _Identity:
    """The credential that was given; else the host's own, which is made when it is needed first, and closed here."""

    def __init__(self, given: Credential | None) -> None:
        self._given = given
        self._own: Any = None

    def credential(self) -> Credential:
        """Raises `ConfigurationError` where azure-identity is needed and not installed."""
        if self._given is not None:
            return self._given
        if self._own is None:
            self._own = default_credential()
        own: Credential = self._own
        return own

    async def close(self) -> None:
        """Closes what was made here."""
        own, self._own = self._own, None
        if own is not None:
            await own.close()


class AzureSandbox:
    """One session of a pool. `close` ends the session; else the pool ends it when it has been idle for its time.

    A session keeps files under /mnt/data between programs of the same run; variables are not kept. Its memory is the
    session's own size: the service takes no limit, so `memory_bytes_max` does nothing here. A credential that is not
    given is azure-identity's default one, closed with the sandbox.
    """

    def __init__(self, pool: SessionPool, agent: AgentId, run: str, credential: Credential | None = None) -> None:
        self._pool = pool
        self._session = pool.session_id(agent, run)
        self._identity = _Identity(credential)

    async def run(
        self,
        code: str,
        *,
        inputs: Any = None,
        timeout_seconds: float = 10,
        memory_bytes_max: int = 256 * MIB,
        output_bytes_max: int = 64 * KIB,
    ) -> SandboxResult:
        """As the port says; `timeout_seconds` is at most 220, rounded up to a whole second.

        Raises `ConfigurationError` where the identity has no role on the pool, `Overloaded` where the pool is full, and
        `ServiceError` for whatever else the service answers.
        """
        mark = secrets.token_hex(16)
        body = {
            "codeInputType": "Inline",
            "executionType": "Synchronous",
            "code": wrapped(code, inputs, mark),
            "timeoutInSeconds": _checked_seconds(timeout_seconds),
            "outputStreamsMaxLength": output_bytes_max + KIB,
        }
        started = time.monotonic()
        answer = await self._call("POST", "executions", body, timeout_seconds, 8 * output_bytes_max + 64 * KIB)
        late = time.monotonic() - started >= timeout_seconds
        return read_answer(answer, mark, late=late, output_bytes_max=output_bytes_max)

    async def close(self) -> None:
        """Deletes the session with everything in it."""
        try:
            await self._call("DELETE", "session", None, START_SECONDS_MAX, 64 * KIB)
        finally:
            await self._identity.close()

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, seconds: float, size_max: int
    ) -> Mapping[str, Any]:
        token = (await self._identity.credential().get_token(SCOPE)).token
        url = f"{self._pool.endpoint.rstrip('/')}/{path}"
        query = {"api-version": API_VERSION, "identifier": self._session}
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with (
                httpx2.AsyncClient(timeout=seconds + START_SECONDS_MAX, follow_redirects=False) as client,
                client.stream(method, url, params=query, headers=headers, json=body) as response,
            ):
                return _checked(response, await _read(response, size_max))
        except httpx2.HTTPError as error:
            raise ServiceError(f"session pool: {type(error).__name__}: {error}") from None


class AzureSandboxes:
    """Sessions of one pool for all agents of a system: a new one for each run, deleted at its end. One credential, the
    host's identity where none is given, is shared until `close`.
    """

    def __init__(self, pool: SessionPool, credential: Credential | None = None) -> None:
        self._pool = pool
        self._identity = _Identity(credential)

    async def check(self) -> None:
        """Raises `ConfigurationError` where azure-identity is not installed."""
        self._identity.credential()

    @asynccontextmanager
    async def open(self, agent: AgentId, run: str) -> AsyncIterator[AzureSandbox]:
        """The session of this run. Deleting it is tried once: the pool ends what stays idle."""
        sandbox = AzureSandbox(self._pool, agent, run, self._identity.credential())
        try:
            yield sandbox
        finally:
            await _ended(sandbox)

    async def close(self) -> None:
        """Closes the credential that was made here."""
        await self._identity.close()


async def _ended(sandbox: AzureSandbox) -> None:
    try:
        await sandbox.close()
    except (ConfigurationError, Overloaded, ServiceError) as error:
        _log.warning("a session could not be deleted; the pool will end it: %s", error)


def default_credential() -> Any:
    """The host's identity. Raises `ConfigurationError` where azure-identity is not installed."""
    try:
        from azure.identity.aio import DefaultAzureCredential  # type: ignore[import-not-found,unused-ignore]  # extra
    except ImportError:
        raise ConfigurationError(
            "session_pool_endpoint needs the extra 'azure': pip install 'agent-operating-system[azure]'"
        ) from None
    return DefaultAzureCredential()


def wrapped(code: str, inputs: Any, mark: str) -> str:
    """The program as a session runs it: with `inputs`, in a namespace of its own, its outcome behind a secret mark."""
    try:
        given = json.dumps({"code": code, "inputs": inputs}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"sandbox: the inputs cannot be written as JSON: {error}") from None
    if len(given) > CODE_BYTES_MAX:
        raise TooLarge(f"sandbox: code and inputs have {len(given)} bytes; the limit is {CODE_BYTES_MAX}")
    return _WRAPPER.format(given=base64.b64encode(given.encode()).decode(), mark=mark)


def read_answer(answer: Mapping[str, Any], mark: str, *, late: bool, output_bytes_max: int) -> SandboxResult:
    """What the service says, in our words. Raises `ServiceError` where it is not what its description promises."""
    result = answer.get("result") or {}
    stdout, stderr = str(result.get("stdout") or ""), str(result.get("stderr") or "")
    told, said = _outcome(stdout, mark)
    seconds = float(result.get("executionTimeInMilliseconds") or 0) / 1000
    if answer.get("status") not in ("Succeeded", "Failed", "Canceled"):
        raise ServiceError(f"session pool: an execution has the unknown status {answer.get('status')!r}")
    common: dict[str, Any] = {
        "stdout": said[:output_bytes_max],
        "stderr": stderr[:output_bytes_max],
        "duration_seconds": seconds,
    }
    if len(stdout) + len(stderr) > output_bytes_max + len(mark) + KIB // 2:
        return SandboxResult(**common, reason=ExitReason.OUTPUT)
    if told is None:
        stderr = stderr or _complaint(answer)
        return SandboxResult(**{**common, "stderr": stderr}, reason=ExitReason.DEADLINE if late else ExitReason.LOST)
    reason = ExitReason.DONE if told["exit_code"] == 0 else ExitReason.ERROR
    return SandboxResult(**common, reason=reason, exit_code=told["exit_code"], result=told["result"])


def _outcome(stdout: str, mark: str) -> tuple[dict[str, Any] | None, str]:
    """What follows the mark, and the program's own output before it."""
    said, found, outcome = stdout.rpartition(mark)
    if not found:
        return None, stdout
    try:
        told = json.loads(outcome)
        return {"exit_code": int(told["exit_code"]), "result": told["result"]}, said
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, said


def _complaint(answer: Mapping[str, Any]) -> str:
    error = (answer.get("error") or {}).get("error") or {}
    return f"{error.get('code', '')}: {error.get('message', '')}" if error else ""


async def _read(response: httpx2.Response, size_max: int) -> bytes:
    content = bytearray()
    async for part in response.aiter_bytes():
        content += part
        if len(content) > size_max:
            raise ServiceError(f"session pool: the answer is larger than {size_max} bytes")
    return bytes(content)


def _checked(response: httpx2.Response, content: bytes) -> Mapping[str, Any]:
    """The answer's JSON. Raises for every status that is not a success, in the pool's words."""
    if response.status_code == 204 or (response.is_success and not content):
        return {}
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        answer = None
    if response.is_success and isinstance(answer, dict):
        return answer
    _refuse(response, answer if isinstance(answer, dict) else {})
    raise ServiceError(f"session pool: status {response.status_code} with an answer that is not a JSON object")


def _refuse(response: httpx2.Response, answer: Mapping[str, Any]) -> None:
    error, pool = answer.get("error") or {}, str(response.url).partition("/executions")[0].partition("/session?")[0]
    told = f"{response.status_code} {error.get('code', '')}: {error.get('message', '')}".strip(" :")
    if response.status_code in (401, 403):
        raise ConfigurationError(f"session pool: {told}; {missing_role('sessions', pool)}")
    if response.status_code == 429:
        raise Overloaded(f"session pool: {told}", _seconds(response.headers.get("retry-after")))
    if not response.is_success:
        raise ServiceError(f"session pool: {told}")


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 1.0


def _checked_seconds(seconds: float) -> int:
    if not 0 < seconds <= TIMEOUT_SECONDS_MAX:
        raise InvalidInput(f"sandbox: timeout_seconds is {seconds!r}; a session allows above 0 up to 220")
    return math.ceil(seconds)


_WRAPPER = textwrap.dedent(
    """
    def _aos_run(given, mark):
        import base64, json, sys, traceback
        asked = json.loads(base64.b64decode(given))
        scope, code = {{"__name__": "__main__", "inputs": asked["inputs"]}}, 0
        try:
            exec(compile(asked["code"], "<program>", "exec"), scope)
            answer = json.dumps(scope.get("result"), allow_nan=False)
        except SystemExit as error:
            code, answer = error.code if isinstance(error.code, int) else int(error.code is not None), "null"
        except BaseException:
            traceback.print_exc()
            code, answer = 1, "null"
        sys.stdout.flush()
        print(mark + '{{"exit_code": %d, "result": %s}}' % (code, answer))

    _aos_run("{given}", "{mark}")
    """
)
