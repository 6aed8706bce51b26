"""What the programs beside the larger examples share: a client of one running system, over its HTTP door."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

SECONDS_BETWEEN_LOOKS = 0.02


class Client:
    """A client of one system."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def close(self) -> None:
        """Lets go of its connections."""
        self._http.close()

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """One document."""
        return _document(self._http.get(path, params=query or None))

    def post(self, path: str, query: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
        """Posts `json=` or `content=` with `headers=`, and answers the document; waits as long as the system asks where
        it is busy.
        """
        while True:
            answer = self._http.post(path, params=query, **body)
            if answer.status_code not in (429, 503):
                return _document(answer)
            time.sleep(float(answer.headers.get("Retry-After", 1)))

    def state(self, name: str, key: str) -> dict[str, Any]:
        """An agent's committed state."""
        return self.get(f"/api/v1/agents/{name}/state", key=key)

    def end_of(self, accepted: dict[str, Any], seconds_max: float) -> dict[str, Any]:
        """What became of an accepted event. Raises `TimeoutError`."""
        deadline = time.monotonic() + seconds_max
        while (outcome := self.get(accepted["outcome"]))["status"] in ("pending", "parked"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{accepted['id']} is still {outcome['status']} after {seconds_max:g} s")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        return outcome

    def publications(self, topic: str) -> Iterator[dict[str, Any]]:
        """Everything that was ever published on `topic`, and what is from then on; no end."""
        query = {"topic": topic, "after": "0"}
        with self._http.stream("GET", "/api/v1/publications", params=query, timeout=None) as answer:
            for event in httpx2.EventSource(answer):
                if event.data:  # the first block only says where the stream begins
                    yield json.loads(event.data)


def wait_until_open(url: str, is_stopped: Callable[[], bool]) -> bool:
    """Waits for the system to answer; False where it stops before it does."""
    while not is_stopped():
        try:
            if httpx2.get(f"{url}/health/live", timeout=1).status_code == 200:
                return True
        except httpx2.TransportError:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return False


def _document(answer: httpx2.Response) -> dict[str, Any]:
    answer.raise_for_status()
    document: dict[str, Any] = answer.json()
    return document
