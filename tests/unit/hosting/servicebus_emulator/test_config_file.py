"""The official emulator's configuration, and what is wrong with one."""

from pathlib import Path

import pytest

from AgentOperatingSystem.hosting.servicebus_emulator.config_file import ConfigProblem, parsed, read
from AgentOperatingSystem.hosting.servicebus_emulator.settings import EVERYTHING, CorrelationFilter, SqlFilter

WHOLE = """{
  "UserConfig": {
    "Namespaces": [{
      "Name": "sbemulatorns", /* fixed */
      "Queues": [{
        "Name": "queue.1", // "a comment"
        "Properties": {
          "DeadLetteringOnMessageExpiration": true, "DefaultMessageTimeToLive": "PT30M",
          "DuplicateDetectionHistoryTimeWindow": "PT20S", "ForwardDeadLetteredMessagesTo": "",
          "ForwardTo": "", "LockDuration": "PT1M30S", "MaxDeliveryCount": 5,
          "RequiresDuplicateDetection": true, "RequiresSession": true
        }
      }],
      "Topics": [{
        "Name": "topic.1",
        "Properties": {"DefaultMessageTimeToLive": "PT1H", "RequiresDuplicateDetection": false},
        "Subscriptions": [
          {"Name": "s1", "Properties": {"MaxDeliveryCount": 2}, "Rules": [
            {"Name": "r1", "Properties": {"FilterType": "Correlation", "CorrelationFilter": {
              "ContentType": "application/text", "Label": "subject//1", "Properties": {"prop": "value"}}}},
            {"Name": "r2", "Properties": {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "a = 1"},
              "Action": {"SqlExpression": "SET a = 2"}}}]},
          {"Name": "s2"}
        ]
      }]
    }],
    "Logging": {"Type": "File"}
  }
}"""


def test_everything_is_read() -> None:
    settings = parsed(WHOLE)
    (queue,), (topic,) = settings.queues, settings.topics
    assert (queue.name, queue.entrance.duplicate_window_seconds) == ("queue.1", 20.0)
    assert (queue.holding.lock_seconds, queue.holding.time_to_live_seconds) == (90.0, 1800.0)
    assert (queue.holding.max_delivery_count, queue.holding.requires_session) == (5, True)
    assert (queue.holding.dead_letter_on_expiry, queue.holding.forward_to) == (True, None)
    first, second = topic.subscriptions
    assert first.rules[0].filter == CorrelationFilter(
        system={"content_type": "application/text", "subject": "subject//1"}, application={"prop": "value"}
    )
    assert (first.rules[1].filter, first.rules[1].action) == (SqlFilter(expression="a = 1"), "SET a = 2")
    assert [rule.filter for rule in second.rules] == [EVERYTHING]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('"PT1M30S"', '"1 minute"', "Queues[0].Properties.LockDuration: an ISO 8601 duration"),
        ('"PT1M30S"', '"PT10M"', "Queues[0].Properties.LockDuration: 5 to 300 seconds, not 600"),
        ('"MaxDeliveryCount": 5', '"MaxDeliveryCount": 11', "MaxDeliveryCount: 1 to 10, not 11"),
        ('"RequiresSession": true', '"RequiresSession": "yes"', "RequiresSession: true or false"),
        ('"RequiresSession"', '"RequireSession"', "RequireSession is unknown"),
        ('"FilterType": "Sql"', '"FilterType": "SQL"', "Correlation or Sql, not 'SQL'"),
        ('"SqlExpression": "a = 1"', '"Sql": "a"', "SqlFilter.SqlExpression: a text is missing"),
        ('"Label"', '"Subject"', "CorrelationFilter: Subject is unknown"),
        ('"Name": "queue.1",', "", "a Name of 1 to 260 characters is missing"),
        ('"UserConfig"', '"Config"', "UserConfig: an object is expected"),
        ('"Queues": [{', '"Queues": [3, {', "Namespaces[0].Queues: a list of objects"),
        ('"sbemulatorns"', '"sbemulatorns', "no JSON"),
    ],
)
def test_what_is_wrong_is_named(before: str, after: str, complaint: str) -> None:
    assert before in WHOLE
    with pytest.raises(ConfigProblem) as raised:
        parsed(WHOLE.replace(before, after, 1))
    assert complaint in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match="No such file"):
        read(tmp_path / "Config.json")
