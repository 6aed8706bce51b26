"""What the agents of a world may spend: limits of events, agents, types and the tenant, so low that they are reached.
Pure; the seed decides.

Half of the worlds have none. A day ends a few minutes after a world begins, so that days are counted too.
"""

from random import Random
from typing import Final, Literal

from AgentOperatingSystem.agents.budgets import Amounts, Budget, Limits
from AgentOperatingSystem.orchestration.budgets.rules import BudgetFile

TENANT: Final = "default"
TYPES: Final = ("thinker", "talker", "orderly")
ANSWER_TOKENS: Final = 50
"""The most that the model answers."""
MORE: Final = Amounts(tokens=3000, model_calls=12, tool_calls=12)
"""What is added to a limit by hand."""


def limits_for(seed: int) -> BudgetFile:
    """The budgets of a seed's world."""
    rng = Random(f"limits:{seed}")
    if rng.random() < 0.4:
        return BudgetFile()
    agents = {f"{name}/{key}": _budget(rng, few=True) for name in TYPES for key in "01" if rng.random() < 0.5}
    types = {name: _shared(rng) for name in TYPES if rng.random() < 0.4}
    tenants = {TENANT: _shared(rng)} if rng.random() < 0.5 else {}
    return BudgetFile(agents=agents, types=types, tenants=tenants)


def _budget(rng: Random, *, few: bool) -> Budget:
    at_limit: Literal["pause", "fail"] = "fail" if rng.random() < 0.2 else "pause"
    event = Limits(model_calls=rng.randint(1, 4), tool_calls=rng.randint(2, 6)) if rng.random() < 0.4 else Limits()
    return Budget(event=event, day=_limits(rng, 4 if few else 20), at_limit=at_limit, output_tokens=ANSWER_TOKENS)


def _shared(rng: Random) -> Budget:
    return Budget(day=_limits(rng, 20), output_tokens=ANSWER_TOKENS)


def _limits(rng: Random, scale: int) -> Limits:
    """One or two measures."""
    return Limits(
        tokens=rng.randint(scale, 4 * scale) * 150 if rng.random() < 0.4 else None,
        model_calls=rng.randint(scale, 4 * scale) if rng.random() < 0.4 else None,
        tool_calls=rng.randint(scale, 4 * scale) if rng.random() < 0.6 else None,
    )
