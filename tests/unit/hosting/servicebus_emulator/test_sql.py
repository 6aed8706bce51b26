"""Conditions and actions in SQL, as tables."""

from typing import Any

import pytest

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Described, ULong
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import APPLICATION, PROPERTIES, Envelope, parse
from AgentOperatingSystem.hosting.servicebus_emulator.rules import sql


def message() -> Envelope:
    properties = ["id-1", None, None, "order.new"]
    application: dict[str, Any] = {"n": 3, "price": 9.5, "name": "Ada's", "yes": True, "with space": 1, "and": 2}
    sections = ((PROPERTIES, properties), (APPLICATION, application))
    return parse(b"".join(encode(Described(ULong(code), value)) for code, value in sections))


@pytest.mark.parametrize(
    "text",
    [
        "n = 3",
        "N = 3 AND user.n <> 4",
        "n != 4 and n < 4 and n <= 3 and n > 2 and n >= 3",
        "price = 9.5 OR n = 9",
        "n = 3.0",
        "n * 2 + 1 = 7 AND (n + 1) * 2 = 8 AND n % 2 = 1 AND n / 2 = 1 AND -n = -3",
        "name = 'Ada''s'",
        "yes = TRUE AND NOT yes = FALSE",
        "yes",
        "sys.Label = 'order.new' AND sys.MessageId LIKE 'id-_'",
        "sys.Label LIKE 'order%' AND sys.Label NOT LIKE 'news%'",
        "name LIKE 'Ada!''s' ESCAPE '!'",
        "n IN (1, 2, 3) AND n NOT IN (4, 5)",
        "missing IS NULL AND n IS NOT NULL AND EXISTS(n) AND NOT EXISTS(missing)",
        '[with space] = 1 AND "with space" = 1 AND [and] = 2',
        "property('n') = 3 AND p('n') = 3",
        "0x10 = 16",
        "missing = 1 OR TRUE",
        "newid() IS NOT NULL",
        "'a' + 'b' = 'ab'",
        "NOT (n = 1 OR n = 2)",
        "1=1",
    ],
)
def test_true(text: str) -> None:
    assert sql.condition(text)(message())


@pytest.mark.parametrize(
    "text",
    [
        "n = 4",
        "missing = 1",
        "NOT missing = 1",
        "missing = 1 AND TRUE",
        "missing <> 1",
        "n = '3'",
        "name > 3",
        "n NOT IN (1, missing)",
        "n / 0 = 1",
        "missing LIKE '%'",
        "yes = 1",
        "n",
        "n IN (4)",
        "NULL = NULL",
    ],
)
def test_false_or_unknown(text: str) -> None:
    assert not sql.condition(text)(message())


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "n =",
            "= 3",
            "n = 3 n",
            "(n = 3",
            "n ! 3",
            "n NOT 3",
            "n LIKE 'a' ESCAPE 'ab'",
            "foo(1)",
            "'open",
            "n = 3;",
        ),
        *("n = " + "1" * 1024, "(" * 100 + "1" + ")" * 100, "-" * 900 + "1 = 1"),
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        sql.condition(text)


def test_actions_change_a_copy() -> None:
    before = message()
    after = sql.action("SET n = n + 1; SET [new one] = 'x'; REMOVE price; SET sys.Label = 'changed';")(before)
    assert after.application == {"n": 4, "name": "Ada's", "yes": True, "with space": 1, "and": 2, "new one": "x"}
    assert parse(after.encoded(0, {})).standard("subject") == "changed"
    assert before.application["n"] == 3


@pytest.mark.parametrize(
    "text", ["", "SET n", "SET = 1", "DROP n", "SET sys.EnqueuedTimeUtc = 1", "SET n = 1 REMOVE n"]
)
def test_what_is_no_action_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        sql.action(text)
