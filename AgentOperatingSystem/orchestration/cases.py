"""One event in a turn's hand, and what its sender gets for an answer. Made by the kernel, read by all who handle it."""

from typing import Any

from AgentOperatingSystem.events import Event, Message
from AgentOperatingSystem.ids import AgentId, message_id
from AgentOperatingSystem.storage.records import SENT_MAX, EventRow, Sent


class Case:
    """One event in hand: a new arrival (`row` is None) or one that was parked."""

    __slots__ = ("aside", "carried", "event", "fingerprint", "key", "row")

    def __init__(
        self,
        event: Event,
        row: EventRow | None = None,
        key: str = "",
        fingerprint: str = "",
        *,
        carried: bool = False,
        aside: str = "",
    ) -> None:
        self.event = event
        self.aside = aside
        """Why it is not to be handled but put aside for a person."""
        self.carried = carried
        """Whether a message of this turn carries it, which is delivered again if the turn is not settled."""
        self.row = row
        self.key = row.key if row is not None else key or event.key
        self.fingerprint = fingerprint

    @property
    def message_id(self) -> str:
        """The id of the message that carries it, or would."""
        agent = self.event.agent
        assert agent is not None
        return message_id(agent.partition, self.key, self.event.generation)

    @property
    def attempt(self) -> int:
        """Which try this is; 1 is the first."""
        return (self.row.attempts if self.row else 0) + 1


def reply_to(case: Case, agent: AgentId, result: Any, now: float) -> Event | None:
    """The `aos.reply` that a request's sender gets, where it asked for one."""
    to = case.event.reply_to
    if to is None:
        return None
    return Event(
        id=f"{case.key}-reply",
        source=f"/agents/{agent}",
        type="aos.reply",
        time=now,
        data=result,
        agent=to,
        tenant=to.tenant,
        causation=case.event.id,
        correlation=case.event.correlation,
        conversation=case.event.conversation,
        traceparent=case.event.traceparent,
        hops=case.event.hops + 1,
    )


def with_sent(row: EventRow, outputs: tuple[Message, ...]) -> tuple[Sent, ...]:
    """What a row says that its event has sent, with what it sends now."""
    if not outputs:
        return row.sent
    sent = [
        Sent(event.id, event.agent.partition if event.agent else f"#{event.topic}")
        for message in outputs[:SENT_MAX]
        if (event := message.event) is not None
    ]
    return (*row.sent, *sent)[:SENT_MAX]
