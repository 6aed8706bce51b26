"""Arguments and options that several commands share."""

from typing import Annotated, Any

import typer

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The agent, `name` or `name/key`.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many at most, up to 1000.")]
After = Annotated[str | None, typer.Option("--after", metavar="CURSOR", help="Go on behind the last page.")]
Payload = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="The payload: JSON, @FILE that holds it, or - for standard input."),
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept in the agent's history.")]

EventKey = Annotated[str, typer.Argument(metavar="EVENT_KEY", help="The event, as the list names it.")]
StepName = Annotated[str | None, typer.Option("--step", metavar="STEP", help="Which one, where there are several.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who decides; without it, the user's login name.")]


def more(page: dict[str, Any]) -> list[str]:
    """How to see the next page, where there is one."""
    return [f"more: --after '{page['after']}'"] if page["after"] else []
