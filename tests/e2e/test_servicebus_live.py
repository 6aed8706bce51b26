"""Microsoft's own tests of the administration client against the local Service Bus, and the load commands in small.

The tests are fetched with pip, once, into `.servicebus`; those of sending and receiving take a quarter of an hour of
sleeping and are run by hand: `python -m scripts.servicebus_live`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MANAGEMENT_TESTS = 116


def ran(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", *arguments, "--json"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    document: dict[str, Any] = json.loads(found.stdout)
    return document


def test_the_vendors_tests_of_administration_pass() -> None:
    found = ran(
        "scripts.servicebus_live", "--management", "--work", str(ROOT / ".servicebus" / "live"), "--least", "116"
    )
    assert found["failed"] == {}
    assert found["counts"]["passed"] == MANAGEMENT_TESTS


def test_five_hundred_sessions_are_held_at_once() -> None:
    assert ran("scripts.servicebus_load", "sessions", "--sessions", "500")["held_at_once"] == 500


def test_a_short_soak_accounts_for_every_message() -> None:
    found = ran("scripts.servicebus_load", "soak", "--minutes", "0.05", "--persist")
    assert found["sent"] > 0
    assert (found["unaccounted"], found["still_running"]) == (0, True)
