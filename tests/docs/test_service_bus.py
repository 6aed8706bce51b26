"""The programs, names and numbers that docs/service-bus.md shows are those of the repository."""

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.hosting.servicebus_emulator.config_file import parsed
from AgentOperatingSystem.messaging.azure.opening import CLAIMS
from AgentOperatingSystem.messaging.servicebus.claims import BODY_BYTES_MAX
from AgentOperatingSystem.messaging.servicebus.opening import SESSIONS_MAX, places_of
from AgentOperatingSystem.messaging.servicebus.records import ARM_SECONDS_MAX, Places
from tests.docs.markdown import ROOT, blocks_of

PATH = ROOT / "docs" / "service-bus.md"
PAGE = PATH.read_text()


def test_the_programs_are_the_examples() -> None:
    shown = [block.text for block in blocks_of(PATH) if block.language == "python"]
    files = ("publisher.py", "consumer.py")
    assert shown == [(ROOT / "examples" / "service_bus" / name).read_text() for name in files]


def test_the_entities_are_the_configurations() -> None:
    assert places_of(AOSConfig()) == Places()
    for name in (Places().queue, Places().topic, Places().router):
        assert f"| `{name}` |" in PAGE


def test_the_local_configuration_has_the_entities() -> None:
    found = parsed(next(block.text for block in blocks_of(PATH) if block.language == "json"))
    assert [(queue.name, queue.holding.requires_session) for queue in found.queues] == [(Places().queue, True)]
    assert found.queues[0].entrance.duplicate_window_seconds
    assert found.topics[0].entrance.duplicate_window_seconds
    topic = found.topics[0]
    assert (topic.name, topic.subscriptions[0].name) == (Places().topic, Places().router)


def test_limits_are_as_the_page_says() -> None:
    assert f"A body above {BODY_BYTES_MAX >> 10} KiB" in PAGE
    assert f"later than {ARM_SECONDS_MAX / 86_400:g} days" in PAGE
    assert f"the SDK: {SESSIONS_MAX} at most" in PAGE
    assert f"`aos-mailbox{CLAIMS}`" in PAGE
