"""Which system a command speaks to: the server that `--url` names, the one on this machine, or the data folder itself.

Commands ask for places of the HTTP API. Where no server runs on this machine, the same requests are answered by the
same API inside of this process, over the files that the server would use (`direct`): one client, two transports.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from AgentOperatingSystem.cli.answers import ANSWER_SECONDS, Answer, Connection, Query, StreamEvent
from AgentOperatingSystem.cli.exits import NobodyListens, NotReachable
from AgentOperatingSystem.cli.output import note
from AgentOperatingSystem.cli.values import read_address, read_token
from AgentOperatingSystem.config import ClientSettings
from AgentOperatingSystem.config.addresses import is_loopback
from AgentOperatingSystem.ids import AgentId

API: Final = "/api/v1"


class Place(NamedTuple):
    """A path of the API with its query."""

    path: str
    query: Query


class System:
    """The system behind a command. Every method raises `NotReachable` and `Problem`."""

    answers_directly = True
    """Whether the data folder itself will do where no server runs."""

    def __init__(self, settings: ClientSettings, app: str | None) -> None:
        self.settings = settings
        self.app = app
        self.url = settings.url or local_url(settings)
        self.token = token_of(settings.token) or self._local_token()
        self._connection = connect(self.url, self.token)

    def get(self, place: Place, *, timeout_seconds: float = ANSWER_SECONDS) -> Any:
        """The document that lies there."""
        return self._request("GET", place, timeout_seconds=timeout_seconds).document

    def post(
        self, place: Place, body: Any = None, *, timeout_seconds: float = ANSWER_SECONDS, may_create: bool = False
    ) -> Answer:
        """Has something done. `may_create` allows a data folder that is not there yet."""
        return self._request("POST", place, body, timeout_seconds, may_create)

    def delete(self, place: Place) -> Any:
        """Has something removed, and answers what it was."""
        return self._request("DELETE", place).document

    def stream(self, place: Place, body: Any = None, headers: Mapping[str, str] | None = None) -> Iterator[StreamEvent]:
        """Server-sent events, until the server ends the stream; the answer to `body` where there is one."""
        try:
            yield from self._connection.stream(*place, body, headers)
        except NobodyListens as error:
            self._check_direct(error, may_create=False)
            raise

    def close(self) -> None:
        """Lets go of connections, and of the data folder where it was opened."""
        self._connection.close()

    def _request(
        self,
        method: str,
        place: Place,
        body: Any = None,
        timeout_seconds: float = ANSWER_SECONDS,
        may_create: bool = False,
    ) -> Answer:
        try:
            return self._connection.request(method, *place, body, timeout_seconds)
        except NobodyListens as error:
            self._check_direct(error, may_create)
        self._go_direct(reads=method == "GET")
        return self._connection.request(method, *place, body, timeout_seconds)

    def _check_direct(self, error: NobodyListens, may_create: bool) -> None:
        """Whether the data folder itself can answer. Raises `NotReachable` and says what to do where it cannot."""
        if self.settings.url is not None:
            raise error
        if not self.answers_directly:
            raise NotReachable(f"{error}; start one with `aos up`, or name another with --url") from error
        folder = self.settings.data_dir
        if not may_create and not (folder / "aos.db").is_file():
            raise NotReachable(
                f"{error}, and {folder} holds no data; start a system with `aos up`, or name one: --url, --data"
            ) from error

    def _go_direct(self, reads: bool) -> None:
        from AgentOperatingSystem.cli.direct import open_directly  # brings the whole system into this process

        note(f"no system answers at {self.url}; working on {self.settings.data_dir} directly")
        self._connection.close()
        self._connection = open_directly(self.settings.data_dir, self.app, reads=reads)

    def _local_token(self) -> str | None:
        """The token that a server on this machine keeps in its data folder; it is told to nobody else."""
        return read_token(self.settings.data_dir) if is_loopback(urlsplit(self.url).hostname or "") else None


class Server(System):
    """A system that runs: for what the files alone cannot answer."""

    answers_directly = False


def connect(url: str, token: str | None) -> Connection:
    """A connection over HTTP; nothing is sent yet."""
    from AgentOperatingSystem.cli.client import Client  # 0.1 s, which the help of a command need not wait for

    return Client(url, token)


def token_of(text: str | None) -> str | None:
    """A token as it is configured; one that lies elsewhere is read there.

    Raises `ConfigurationError`, `Unavailable`.
    """
    if text is None or not text.startswith(("@Microsoft.", "keyvault://", "secretsfile://", "env://")):
        return text
    import asyncio

    from AgentOperatingSystem.auth.checking import value_of
    from AgentOperatingSystem.config import AOSConfig

    return asyncio.run(value_of(AOSConfig(token=text), "token"))


def local_url(settings: ClientSettings) -> str:
    """Where the server of this machine is found: where the one of the data folder says, else where the settings say."""
    kept = read_address(settings.data_dir)
    if kept is not None:
        return kept
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def place(path: str, **query: str | int | float | bool | None) -> Place:
    """A place of the API; what is None in the query is left out."""
    return Place(API + path, query)


def agent_place(agent: str, rest: str = "", under: str = "agents", **query: str | int | float | bool | None) -> Place:
    """A place of an agent as typed, `name` or `name/key`. Raises `InvalidAgentId`."""
    address = AgentId.parse(agent)
    return place(f"/{under}/{quote(address.name, safe='')}{rest}", key=address.key or None, **query)
