"""What is published about budgets, on the topic `aos.budget`: a warning near a limit, and that it is reached; once.

Made by the meter and the ledger; each rides in the commit that makes it true.
"""

from typing import Literal

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.events import Event, Message, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets.rules import Bound

TOPIC = "aos.budget"
Said = Literal["warning", "reached"]


def notice(who: AgentId, said: str, bound: Bound, used: Amounts, now: float, event: str = "") -> Message:
    """The publication: `aos.budget.warning` or `aos.budget.reached`. The same one made twice is one to the broker."""
    data = {
        "scope": bound.scope,
        "of": bound.whose,
        "period": bound.period,
        "limits": msgspec.to_builtins(bound.limits),
        "used": msgspec.to_builtins(used),
        "at_limit": bound.budget.at_limit,
        "event": event,
    }
    return publication_message(
        Event(
            id=f"{bound.account}-{said}-{now:.3f}",
            source=f"/agents/{who}",
            type=f"{TOPIC}.{said}",
            topic=TOPIC,
            tenant=who.tenant,
            time=now,
            data=data,
        )
    )
