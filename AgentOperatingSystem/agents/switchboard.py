"""The runtime of one team: AutoGen's `AgentRuntime`, as far as its group chats use one, and nothing more.

AutoGen's own runtime opens spans, writes each message as JSON and formats it for logs several times on its way, whether
or not anybody listens. Here a message goes straight to its recipients' handlers: one task for each, begun in the order
in which messages were sent, so that every agent hears them in that order. `autogen.py` makes one for each group and
lends it the four pieces of AutoGen that it needs; nothing of AutoGen is imported.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lent:
    """Pieces of AutoGen."""

    message_context: Callable[..., Any]
    token: Callable[[], Any]
    handling: Callable[[Any], AbstractContextManager[None]]
    """While an agent of this address handles a message."""
    making: Callable[[tuple[Any, Any]], AbstractContextManager[None]]
    """While an agent is made: for the runtime, under the address."""


class Switchboard:
    """Carries the messages of one team, in one run after another."""

    def __init__(self, lent: Lent) -> None:
        self._lent = lent
        self._failed: asyncio.Future[BaseException] | None = None
        self._factories: dict[str, Callable[[], Any]] = {}
        self._agents: dict[Any, Any] = {}
        self._subscriptions: list[Any] = []
        self._recipients: dict[Any, list[Any]] = {}
        self._deliveries: set[asyncio.Task[Any]] = set()

    async def run(self, run: Callable[..., Awaitable[T]], task: Any) -> T:
        """The result of a group chat's run; raises what one of its agents raised.

        Whatever ends the waiting breaks off the calls that are under way. Afterwards every message is handled.
        """
        failed = self._failed = asyncio.get_running_loop().create_future()
        token = self._lent.token()
        running = asyncio.ensure_future(run(task=task, cancellation_token=token))
        try:
            await asyncio.wait([running, failed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not running.done():
                token.cancel()
            await asyncio.gather(running, return_exceptions=True)
            while self._deliveries:
                await asyncio.wait(self._deliveries)
        if failed.done():
            raise failed.result()
        return running.result()

    # --- what a group chat registers ----------------------------------------------------------------------------

    async def register_factory(self, type: Any, agent_factory: Callable[[], Any], *, expected_class: Any = None) -> Any:
        self._factories[type.type] = agent_factory
        return type

    async def add_subscription(self, subscription: Any) -> None:
        self._subscriptions.append(subscription)
        self._recipients.clear()

    def add_message_serializer(self, serializer: Any) -> None:
        """Nothing is written down."""

    # --- what its agents send -----------------------------------------------------------------------------------

    async def send_message(
        self,
        message: Any,
        recipient: Any,
        *,
        sender: Any = None,
        cancellation_token: Any = None,
        message_id: Any = None,
    ) -> Any:
        """The recipient's answer. Cancelling the token ends the waiting, not the handling."""
        token = cancellation_token or self._lent.token()
        context = self._lent.message_context(sender, None, True, token, message_id or "")
        return await token.link_future(asyncio.shield(self._deliver(message, recipient, context)))

    async def publish_message(
        self, message: Any, topic_id: Any, *, sender: Any = None, cancellation_token: Any = None, message_id: Any = None
    ) -> None:
        """To every subscriber but the sender."""
        token = cancellation_token or self._lent.token()
        context = self._lent.message_context(sender, topic_id, False, token, message_id or "")
        for recipient in self._subscribers(topic_id):
            if recipient != sender:
                self._deliver(message, recipient, context).add_done_callback(self._published)

    async def agent_save_state(self, agent: Any) -> Mapping[str, Any]:
        state: Mapping[str, Any] = await self._agent(agent).save_state()
        return state

    async def agent_load_state(self, agent: Any, state: Mapping[str, Any]) -> None:
        await self._agent(agent).load_state(state)

    # --- inside -------------------------------------------------------------------------------------------------

    def _subscribers(self, topic: Any) -> list[Any]:
        if topic not in self._recipients:
            matching = [each for each in self._subscriptions if each.is_match(topic)]
            self._recipients[topic] = [each.map_to_agent(topic) for each in matching]
        return self._recipients[topic]

    def _deliver(self, message: Any, recipient: Any, context: Any) -> "asyncio.Task[Any]":
        delivery = asyncio.get_running_loop().create_task(self._handled(message, recipient, context))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        return delivery

    async def _handled(self, message: Any, recipient: Any, context: Any) -> Any:
        with self._lent.handling(recipient):
            return await self._agent(recipient).on_message(message, context)

    def _published(self, delivery: "asyncio.Task[Any]") -> None:
        """Nobody waits for the handling of a publication, so its failure is told to whoever waits for the team."""
        error = None if delivery.cancelled() else delivery.exception()
        if error is not None and self._failed is not None and not self._failed.done():
            self._failed.set_result(error)

    def _agent(self, address: Any) -> Any:
        if address not in self._agents:
            with self._lent.making((self, address)):
                self._agents[address] = self._factories[address.type]()
        return self._agents[address]
