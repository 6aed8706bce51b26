"""`aos alerts ls|rules|silence`: what fires, by which rules, and silence for a while."""

import re
from typing import Annotated
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import alerts
from AgentOperatingSystem.cli.arguments import Reason
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table, brief, moment
from AgentOperatingSystem.cli.system import System, place
from AgentOperatingSystem.errors import InvalidInput

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@command(alerts, "ls")
def ls(
    system: System,
    out: Output,
    pending: Annotated[bool, typer.Option("--pending", help="What has not stood for long enough too.")] = False,
) -> None:
    """List what fires now, the gravest first."""
    page = system.get(place("/alerts", pending=pending or None))
    rows = (
        (
            each["severity"].upper(),
            each["rule"],
            each["subject"],
            f"{each['value']:g}",
            moment(each["begun"]),
            brief(each["says"]),
        )
        for each in page["items"]
    )
    headings = ("SEVERITY", "RULE", "SUBJECT", "VALUE", "SINCE", "WHAT TO DO")
    out.show(page, Table(headings, rows, "nothing fires"))


@command(alerts, "rules")
def rules(system: System, out: Output) -> None:
    """List the rules that hold, and how each stands."""
    page = system.get(place("/alerts/rules"))
    rows = (
        (
            each["name"],
            each["severity"],
            each["about"],
            each["condition"],
            f"{each['for_seconds']:g} s",
            each["firing"],
            moment(each["silenced_until"]),
        )
        for each in page["items"]
    )
    headings = ("RULE", "SEVERITY", "ABOUT", "WHEN", "FOR", "FIRING", "SILENT UNTIL")
    out.show(page, Table(headings, rows, "there are no rules"))


@command(alerts, "silence")
def silence(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule, as `aos alerts rules` names it.")],
    system: System,
    out: Output,
    period: Annotated[str, typer.Option("--for", metavar="TIME", help="Such as 30m, 2h or 1d; 0 ends a silence.")],
    reason: Reason = None,
) -> None:
    """Tell nobody what begins of a rule for a while; what fires still is told then."""
    body = {"seconds": seconds_of(period), "reason": reason or ""}
    done = system.post(place(f"/alerts/{quote(rule, safe='')}/silence"), body).document
    until = done["silenced_until"]
    out.show(done, f"{rule} is silent until {moment(until)}" if until else f"{rule} is not silent")


def seconds_of(text: str) -> float:
    """`90`, `30m`, `2h`, `1.5d` in seconds. Raises `InvalidInput`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(f"--for {text!r}: write a time such as 30m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]
