"""Whatever frames a client sends, in whichever order: it is served or closed with a reason, and never a bug of ours."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.connection import Connection
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.frames import AMQP_HEADER, frame
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import (
    Accepted,
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Modified,
    Open,
    Source,
    Target,
    Transfer,
)
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Described, Symbol, ULong
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Namespace
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Nothing, World
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import DATA
from AgentOperatingSystem.hosting.servicebus_emulator.front.peer import Peer
from AgentOperatingSystem.hosting.servicebus_emulator.front.tokens import Gatekeeper, Keyring
from AgentOperatingSystem.hosting.servicebus_emulator.settings import Holding, Limits, NamespaceSettings, QueueSettings

QUEUES = (QueueSettings(name="q"), QueueSettings(name="s", holding=Holding(requires_session=True)))
MESSAGE = encode(Described(ULong(DATA), b"hello"))
HANDLES = st.integers(0, 5)
IDS = st.sampled_from([0, 1, 2, 2**32 - 1])
COUNTS = st.sampled_from([0, 1, 5, 2**32 - 1])
ADDRESSES = st.sampled_from(["q", "s", "$cbs", "q/$management", "s/$management", "q/$deadletterqueue", "nowhere", None])
SESSIONS = st.sampled_from(
    [None, {Symbol("com.microsoft:session-filter"): "a"}, {Symbol("com.microsoft:session-filter"): None}]
)
PAYLOADS = st.sampled_from([b"", MESSAGE, MESSAGE[:3], b"\x00\x53\x75\x40", b"\xff" * 9]) | st.binary(max_size=40)

RECORDS: st.SearchStrategy[Any] = st.one_of(
    st.builds(Open, st.just("c")),
    st.builds(Begin, st.none(), IDS, COUNTS, COUNTS),
    st.builds(
        Attach,
        name=st.just("link"),
        handle=HANDLES,
        role=st.booleans(),
        snd_settle_mode=st.integers(0, 2),
        source=st.builds(Source, address=ADDRESSES, filter=SESSIONS) | st.none(),
        target=st.builds(Target, address=ADDRESSES) | st.none(),
        initial_delivery_count=IDS,
    ),
    st.builds(Flow, IDS, COUNTS, IDS, COUNTS, HANDLES | st.none(), IDS | st.none(), COUNTS, drain=st.booleans()),
    st.builds(Transfer, HANDLES, IDS | st.none(), st.just(b"t"), more=st.booleans(), settled=st.booleans()),
    st.builds(Disposition, st.booleans(), IDS, IDS, st.booleans(), st.sampled_from([None, Accepted(), Modified(True)])),
    st.builds(Detach, HANDLES),
    st.builds(End),
    st.builds(Close),
)


def client() -> Connection:
    world = World(lambda: 1_000_000, Nothing(), Limits())
    peer = Peer(
        Namespace(NamespaceSettings(queues=QUEUES), world),
        world,
        Gatekeeper(Keyring((), lambda path: (), lambda: 1000.0), lambda path: True),
    )
    connection = Connection(lambda _, link: peer.attached(link))
    connection.feed(AMQP_HEADER + frame(Open("c")) + frame(Begin(None, 0, 100, 100)))
    for handle, address in enumerate(("q", "q", "q/$management", "q/$management")):
        attach = Attach("link", handle, handle % 2 == 1, source=Source(address), target=Target(address))
        connection.feed(frame(attach) + frame(Flow(0, 100, 0, 100, handle, 0, 10)))
    connection.feed(frame(Transfer(0, 0, b"t"), MESSAGE) * 3)
    assert not connection.is_closed
    return connection


@settings(max_examples=300)
@given(st.lists(st.tuples(RECORDS, PAYLOADS), max_size=12))
def test_frames_in_any_order(sent: list[tuple[Any, bytes]]) -> None:
    connection = client()
    for record, payload in sent:
        connection.feed(frame(record, payload if isinstance(record, Transfer) else b""))
    connection.gone()
    assert b"amqp:internal-error" not in connection.output


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_bytes_of_any_kind(data: bytes) -> None:
    connection = client()
    connection.feed((8 + len(data)).to_bytes(4, "big") + b"\x02\x00\x00\x00" + data)
    assert b"amqp:internal-error" not in connection.output
