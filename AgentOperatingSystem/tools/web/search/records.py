"""What a provider of searches is: how it is asked, and how its answer is read. Nothing here sends anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from AgentOperatingSystem.tools.web.policy import WebPolicy

COUNT_MAX = 20


@dataclass(frozen=True, kw_only=True)
class SearchHit:
    """One result. Its words are a stranger's."""

    title: str
    url: str
    snippet: str = ""


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """One HTTP request to a provider."""

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


class SearchProvider(Protocol):
    """Knows one service's way to be asked. `policy` says where its requests may go."""

    @property
    def name(self) -> str: ...

    @property
    def policy(self) -> WebPolicy: ...

    def request(self, query: str, count: int) -> SearchRequest:
        """How the service is asked for `count` results."""
        ...

    def hits(self, content: bytes) -> Sequence[SearchHit]:
        """The results in an answer. Raises `ServiceError` where the answer is not in the service's form."""
        ...
