"""Control from an event: the agent `aos.control` does what `aos.control.*` events say, once each, as all events.

    aos.control.pause | stop | resume | start    {"agent": "name/key"} or {"type": "name"} or {"tenant": true}
    aos.control.terminate                        {"agent": "name/key"}
    aos.control.cancel                           {"agent": "name/key", "event": "id", "source": "/http"}

All take a `reason`. It has a mailbox of its own, so control never queues behind the turn that it is about.
"""

from typing import Any, Protocol

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Forbidden, InvalidInput, Refused, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.switches import CONTROL
from AgentOperatingSystem.orchestration.switching import ACTIONS, SwitchDesk

PREFIX = f"{CONTROL}."
CANCEL = "cancel"
ALL_ACTIONS = (*ACTIONS, "terminate", CANCEL)


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a control event says."""

    agent: str = ""
    type: str = ""
    tenant: bool = False
    event: str = ""
    source: str = "/http"
    reason: str = ""


class Desks(Protocol):
    """Who can do it."""

    lifecycle: Lifecycle
    switches: SwitchDesk
    cancelling: CancelDesk


def control_agent(desks: Desks) -> type[BaseAgent]:
    """The agent of one system that takes control events."""

    class ControlEvents(BaseAgent):
        """Pauses, stops, resumes and terminates agents, types and tenants, and cancels events."""

        name = CONTROL

        async def on_event(self, event: Event, context: Context) -> Any:
            action, order = _read(event)

            async def obey() -> Any:
                return await _obey(desks, self.address.tenant, action, order)

            try:
                return await context.step(action, obey)
            except Refused as error:  # trying again would not change it
                raise Terminal(str(error)) from error

    return ControlEvents


def _read(event: Event) -> tuple[str, Order]:
    """The action and its order. Raises `InvalidInput`."""
    action = event.type.removeprefix(PREFIX)
    if not event.type.startswith(PREFIX) or action not in ALL_ACTIONS:
        raise InvalidInput(f"{event.type}: {CONTROL} takes {', '.join(PREFIX + each for each in ALL_ACTIONS)}")
    try:
        order = msgspec.convert(event.data if event.data is not None else {}, Order)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{event.type}: {error}") from None
    if bool(order.agent) + bool(order.type) + order.tenant != 1:
        raise InvalidInput(f"{event.type}: name one of 'agent', 'type' and 'tenant' (true)")
    if action not in ACTIONS and not order.agent:
        raise InvalidInput(f"{event.type}: needs an 'agent'")
    if (action == CANCEL) != bool(order.event):
        raise InvalidInput(f"{event.type}: 'event' is the id of what is to be cancelled, and belongs to {CANCEL} alone")
    return action, order


async def _obey(desks: Desks, tenant: str, action: str, order: Order) -> Any:
    """Does it, and answers what is so from now on."""
    if not order.agent:
        switch = await desks.switches.turn(tenant, order.type, action, order.reason)
        return {"type": order.type, "tenant": tenant, "state": switch.control.value}
    agent = AgentId.parse(order.agent, tenant)
    if agent.name.startswith("aos."):
        raise Forbidden(f"{agent.name} belongs to the system; nothing can be done with it from outside")
    if action == CANCEL:
        row = await desks.cancelling.cancel(agent, order.source, order.event, order.reason)
        return {"agent": str(agent), "event": order.event, "status": row.status.value}
    return {"agent": str(agent), "state": await desks.lifecycle.control(agent, action, order.reason)}
