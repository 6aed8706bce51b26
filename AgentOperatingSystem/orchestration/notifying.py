"""What people are asked, told to a webhook: an ordinary agent of the system, whose events are retried and shown as
everybody's are.

Registered where the setting `approvals_webhook_url` names one; fed by the publications on `aos.approvals`, which leave
after the commit that makes an event wait.
"""

from typing import Any, ClassVar

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.waiting import TOPIC
from AgentOperatingSystem.errors import Quarantine, Retryable
from AgentOperatingSystem.events import Event, encode

NOTIFIER = "aos.notifier"
POST_SECONDS = 10.0


class Notifier(BaseAgent):
    """Posts each publication to `url`, as `{"type", "data"}`. The header `Idempotency-Key` is the same at every try."""

    name = NOTIFIER
    subscriptions = (TOPIC,)
    url: ClassVar[str] = ""

    async def on_event(self, event: Event, context: Context) -> Any:
        import httpx2  # only where somebody is told

        headers = {"Content-Type": "application/json", "Idempotency-Key": event.id}
        content = encode({"type": event.type, "data": event.data})
        try:
            async with httpx2.AsyncClient(timeout=POST_SECONDS) as client:
                answer = await client.post(self.url, content=content, headers=headers)
        except httpx2.TransportError as error:
            raise Retryable(f"the webhook cannot be reached: {type(error).__name__}") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Retryable(f"the webhook answered {answer.status_code}")
        if not answer.is_success:
            raise Quarantine(f"the webhook refused it with {answer.status_code}")
        return answer.status_code


def notifier(url: str) -> type[Notifier]:
    """The agent that posts to this URL; redirects are not followed."""
    return type("Notifier", (Notifier,), {"name": NOTIFIER, "url": url})
