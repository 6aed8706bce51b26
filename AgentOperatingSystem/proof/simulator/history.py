"""What happened in a world that concerns money and approvals: one list, in the order of its happening.

Written by the outside (calls that really began), by the observer of commits (what became durable) and by the people
of the world (what they tried, and what they were told); read by `judge_spending.py` and `judge_approvals.py`.
"""

from typing import Any

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.ids import AgentId


class Called(msgspec.Struct, frozen=True, kw_only=True):
    """A model or a tool was called, and is billed."""

    agent: AgentId
    key: str
    """The event's."""
    step: str
    """The name of its step, without the occurrence."""
    billed: Amounts
    began: float
    """Virtual seconds since which its handling runs."""


class Reserved(msgspec.Struct, frozen=True):
    """A reservation became durable."""

    agent: AgentId
    step: str
    """The event's key, a slash, and the step's name."""
    amounts: Amounts
    accounts: tuple[str, ...]


class Limited(msgspec.Struct, frozen=True):
    """How much was added by hand to an account of `owner`, which is an agent or a ledger."""

    owner: AgentId
    account: str
    raised: Amounts
    granted: Amounts
    """What an agent has of a shared limit; what is gone of it, where `owner` is the ledger."""


class Charged(msgspec.Struct, frozen=True):
    """A call whose turn was taken over: charged in full."""

    agent: AgentId
    step: str
    at: float
    """When it was reserved."""


class Corrected(msgspec.Struct, frozen=True):
    """The full charge of a call is charged no more."""

    agent: AgentId
    step: str
    at: float


class Told(msgspec.Struct, frozen=True):
    """What a late call came to is durable, for the agent's next turn to read."""

    step: str
    at: float
    """When that was reserved."""
    now: float
    """When it was told."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about the call of a tool became durable."""

    who: str
    step: str
    tool: str
    arguments: Any
    approved: bool


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that needs an approval was called (`effect` is False), or its effect happened."""

    who: str
    tool: str
    arguments: Any
    effect: bool
    idempotency_key: str = ""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody tried to decide about a call of a tool, and was told whether it counts."""

    how: str
    """`approve`, `deny`; or what must never be heard: `own`, `other`, `again`, `late`."""
    who: str
    step: str
    accepted: bool


Entry = Called | Reserved | Limited | Charged | Corrected | Told | Verdict | Guarded | Said
