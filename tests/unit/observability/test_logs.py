import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.observability import logs, redaction, tracing

log = logging.getLogger("desk.agents")
SENDER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECRET = 'hunter2"/ü'


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging is one for the whole process: leaves it, and the registered secrets, as they were."""
    monkeypatch.setattr(redaction, "_forms", set())
    monkeypatch.setattr(redaction, "_pattern", None)
    loggers = [logging.getLogger(name) for name in (None, *logs.CHATTY)]
    levels, handlers = [logger.level for logger in loggers], list(logging.root.handlers)
    yield
    logging.root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def lines() -> Callable[[], list[dict[str, Any]]]:
    """The JSON lines that were logged so far."""
    stream = io.StringIO()
    logs.configure("INFO", json=True, stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_line(lines: Callable[[], list[dict[str, Any]]]) -> None:
    log.info("handled %d events\nin one turn", 3, extra={"seconds": 0.5, "key": ("octo", 1)})
    (line,) = lines()
    moment = datetime.fromisoformat(line.pop("time"))
    assert abs(datetime.now(moment.tzinfo) - moment).total_seconds() < 60
    assert list(line.items()) == [
        ("level", "INFO"),
        ("logger", "desk.agents"),
        ("message", "handled 3 events\nin one turn"),
        ("seconds", 0.5),
        ("key", ["octo", 1]),
    ]


def test_what_the_work_is_about_is_on_every_line(lines: Callable[[], list[dict[str, Any]]]) -> None:
    with logs.bound(tenant="acme", agent="ceo"), tracing.attach(SENDER):
        with logs.bound(event="e1", agent="cfo"):
            log.info("inside")
        log.info("between", extra={"tenant": "its own"})
    log.info("outside")
    inside, between, outside = lines()
    assert (inside["tenant"], inside["agent"], inside["event"]) == ("acme", "cfo", "e1")
    assert (inside["trace_id"], inside["span_id"]) == (SENDER[3:35], SENDER[36:52])
    assert (between["tenant"], between["agent"], "event" in between) == ("its own", "ceo", False)
    assert not {"tenant", "agent", "trace_id"} & outside.keys()


def test_an_exception_and_a_stack_are_fields(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        log.exception("failed", stack_info=True)
    (line,) = lines()
    assert line["exception"].endswith("RuntimeError: boom")
    assert "test_an_exception_and_a_stack_are_fields" in line["stack"]


def test_standard_fields_cannot_be_passed_over(lines: Callable[[], list[dict[str, Any]]]) -> None:
    log.info("true", extra={"time": "false", "level": "false"})
    assert (lines()[0]["message"], lines()[0]["level"]) == ("true", "INFO")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_registered_secret_appears_nowhere(as_json: bool) -> None:
    stream = io.StringIO()
    logs.configure("INFO", json=as_json, stream=stream)
    logs.register_secrets(SECRET, "AccountKey=innerkey;more", "innerkey", "abc")
    with logs.bound(agent=SECRET):
        try:
            raise RuntimeError(f"at {SECRET}")
        except RuntimeError:
            log.exception(
                "%s in %s", SECRET, {"a": SECRET}, extra={"more": {SECRET: [SECRET, (SECRET,)]}}, stack_info=True
            )
        log.info("https://x/?sig=hunter2%%22%%2F%%C3%%BC and %s and AccountKey=innerkey;more abc", json.dumps(SECRET))
    written = stream.getvalue()
    assert "hunter2" not in written
    assert "innerkey" not in written
    assert written.count("[redacted]") >= 9
    assert "RuntimeError: at [redacted]" in written
    assert "abc" in written, "too short to be a secret"


def test_a_secret_that_begins_another_one_leaves_no_tail() -> None:
    logs.register_secrets("hunter", "hunter-and-more")
    assert logs.redact("hunter-and-more, hunter") == "[redacted], [redacted]"


def test_a_secret_in_a_line_of_the_stack_is_redacted(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logs.register_secrets("written in the code")
    log.info("here", stack_info=True)  # a secret that is written in the code is shown by a stack
    assert "a secret that is [redacted] is shown" in lines()[0]["stack"]


def test_a_handler_of_the_host_sees_no_secret_in_the_exception_itself() -> None:
    logs.register_secrets(SECRET)
    try:
        raise RuntimeError(SECRET)
    except RuntimeError as error:
        info = (type(error), error, error.__traceback__)
    record = log.makeRecord("desk", logging.ERROR, "file", 1, "failed", (), info)
    assert logs.Redaction().filter(record) is True
    assert record.exc_info is None
    assert "RuntimeError: [redacted]" in (record.exc_text or "")


def test_an_exception_without_a_secret_stays_for_handlers_that_want_it() -> None:
    logs.register_secrets(SECRET)
    error = RuntimeError("harmless")
    record = log.makeRecord("desk", logging.ERROR, "file", 1, "failed", (), (RuntimeError, error, None))
    logs.Redaction().filter(record)
    assert record.exc_info == (RuntimeError, error, None)


def test_a_format_that_does_not_fit_is_logged_as_it_is(lines: Callable[[], list[dict[str, Any]]]) -> None:
    log.info("%d events", "three")
    assert "'%d events' with ('three',) (TypeError" in lines()[0]["message"]


def test_any_value_can_be_logged(lines: Callable[[], list[dict[str, Any]]]) -> None:
    deep: list[object] = []
    deep.append(deep)
    log.info("odd", extra={"deep": deep, "when": datetime(2026, 1, 1), "keys": {(1, 2): b"\xff"}, "half": "\ud800"})
    (line,) = lines()
    assert line["keys"] == {"(1, 2)": "b'\\xff'"}
    assert line["when"] == "2026-01-01 00:00:00"
    assert line["half"] == "\ud800"


def test_text_is_for_people_and_a_message_cannot_forge_a_line() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    with logs.bound(agent="ceo"):
        log.warning("first\r\n12:00:00 ERROR forged")
    written = stream.getvalue()
    assert "WARNING  desk.agents: first\\r\n    12:00:00 ERROR forged  agent=ceo\n" in written


def test_configuring_again_replaces_only_its_own_handler() -> None:
    first, second, of_host = io.StringIO(), io.StringIO(), logging.NullHandler()
    logging.root.addHandler(of_host)
    logs.configure("INFO", stream=first)
    logs.configure("WARNING", stream=second)
    log.info("quiet")
    log.warning("loud")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)
    assert of_host in logging.root.handlers


@pytest.mark.parametrize(("level", "chatty"), [("DEBUG", 10), ("INFO", 30), ("ERROR", 40)])
def test_libraries_that_report_every_request_are_quieter(level: str, chatty: int) -> None:
    logs.configure(level, stream=io.StringIO())
    assert logging.getLogger("azure").level == chatty


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="log level 'loud' is not one of CRITICAL"):
        logs.configure("loud")
