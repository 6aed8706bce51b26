"""A function app that writes down what its triggers are given; some of it makes it fail."""

import json
import os
from typing import Any, List  # noqa: UP035  # the Functions worker refuses list[...] in a binding's annotation

import azure.functions as func

app = func.FunctionApp()
BUS: Any = {"connection": "BUS", "data_type": func.DataType.BINARY}


def record(trigger: str, texts: list[str], deliveries: int | None, **more: Any) -> None:
    """One line in the file; raises for what is to fail."""
    with open(os.environ["RECORD"], "a") as file:
        file.write(json.dumps({"trigger": trigger, "texts": texts, "deliveries": deliveries, **more}) + "\n")
    if any(text == "fails" or (text == "fails once" and deliveries == 1) for text in texts):
        raise RuntimeError("as it was told to")


@app.service_bus_queue_trigger(
    "messages", queue_name="%MAILBOX%", is_sessions_enabled=True, cardinality=func.Cardinality.MANY, **BUS
)
async def batch(messages: List[func.ServiceBusMessage]) -> None:  # noqa: UP006
    first = messages[0]
    texts = [each.get_body().decode() for each in messages]
    record("batch", texts, first.delivery_count, session=first.session_id, properties=first.application_properties)


@app.service_bus_topic_trigger("message", topic_name="news", subscription_name="all", **BUS)
def single(message: func.ServiceBusMessage) -> None:
    record("single", [message.get_body().decode()], message.delivery_count, id=message.message_id)


@app.queue_trigger("message", queue_name="%QUEUE%", connection="STORE")
async def queue(message: func.QueueMessage) -> None:
    record("queue", [message.get_body().decode()], message.dequeue_count)


@app.timer_trigger("timer", "* * * * * *")
async def tick(timer: func.TimerRequest) -> None:
    record("timer", [str(timer.past_due)], None)
