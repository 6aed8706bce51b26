"""The trap table: each trigger of Azure Functions enters the system here. No logic.

Which triggers there are follows the configuration, and so does every name in them (docs/functions.md). The agents are
those of AOS_APP. Nothing heavy is imported before the first invocation.
"""

from typing import Any, List  # noqa: UP035  # the Functions worker refuses list[...] in a binding's annotation

import azure.functions as func

from AgentOperatingSystem.hosting.functions.bindings import bindings
from AgentOperatingSystem.hosting.functions.triggers import Triggers
from AgentOperatingSystem.hosting.functions.web import Answer, Request


def doors(aos: Any, *, token: str) -> Any:
    """The REST API, loaded when the first invocation needs it."""
    from AgentOperatingSystem.api import create_app

    return create_app(aos, token=token)


on = bindings()
aos = Triggers(doors)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)  # the doors ask for a token themselves


@app.route("{*route}", methods=list(func.HttpMethod))
async def http(req: Request) -> Answer:
    return await aos.http()


@app.timer_trigger("timer", on.pulse_schedule)
async def pulse(timer: func.TimerRequest) -> None:
    await aos.pulse()


if on.has_servicebus:
    servicebus: Any = {"connection": on.connection, "data_type": func.DataType.BINARY}
    router: Any = {"topic_name": on.topic, "subscription_name": on.subscription, **servicebus}

    @app.service_bus_queue_trigger(
        "messages", queue_name=on.queue, is_sessions_enabled=True, cardinality=func.Cardinality.MANY, **servicebus
    )
    async def mailbox(messages: List[func.ServiceBusMessage]) -> None:  # noqa: UP006
        await aos.mailbox(messages)

    @app.service_bus_topic_trigger("message", **router)
    async def publication(message: func.ServiceBusMessage) -> None:
        await aos.router(message)

    @app.service_bus_queue_trigger("message", queue_name=f"{on.queue}/$DeadLetterQueue", **servicebus)
    async def dead_letter(message: func.ServiceBusMessage) -> None:
        await aos.dead_letter(message)

    @app.service_bus_topic_trigger("message", **router | {"subscription_name": f"{on.subscription}/$DeadLetterQueue"})
    async def dead_publication(message: func.ServiceBusMessage) -> None:
        await aos.dead_publication(message)


if on.has_storage_queue:

    @app.queue_trigger("message", queue_name=on.queue, connection=on.connection)
    async def letter(message: func.QueueMessage) -> None:
        await aos.queue_message(message)


if on.has_event_grid:

    @app.event_grid_trigger("event")
    async def event_grid(event: str) -> None:  # as text: it comes in two schemas
        await aos.event_grid(event)
