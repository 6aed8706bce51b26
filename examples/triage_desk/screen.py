"""What the terminal shows: each publication as it comes, what was already applied, and at the end two tables.

What strangers or models wrote is shown as `Text`, which is never read as markup.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.triage_desk.github import Delivery, triage_of

PIPE_COLUMNS = 110
"""How wide a table is where the output is no terminal."""
ITEMS_MAX = 20
"""How many issues and pull requests are shown."""


class Screen:
    """Lines while it runs, then the table."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else PIPE_COLUMNS
        self._console = Console(highlight=False, soft_wrap=True, width=width)

    def begin(self, total: int) -> None:
        """What the columns of the following lines mean."""
        self._console.print(f"\nGitHub posts {total} deliveries to the triage desk.\n")
        self._console.print(f"[bold]{'a delivery of':<36}  {'wakes':<32}  {'commits':<44}  publishes[/]")

    def published(self, event: dict[str, Any]) -> None:
        """An event woke its agent, its state is committed, and this is what it published."""
        told, name = event["data"], event["data"]["event"].removeprefix("github.")
        committed = f"deliveries {told['deliveries']:>3}"
        if "stars" in told:
            committed += f" · issues {told['open_issues']} · PRs {told['open_pull_requests']} · stars {told['stars']}"
        self._console.print(f"[cyan]{name:<36}[/]  {event['subject']:<32}  {committed:<44}  [green]{event['topic']}[/]")

    def triaged(self, event: dict[str, Any]) -> None:
        """The team has answered: its verdict is committed in the repository's state, and published."""
        told, verdict = event["data"], event["data"]["verdict"]
        said = f"{verdict['priority']} · {verdict['next_step']} · {', '.join(verdict['labels'])}"
        name = f"the team's verdict on #{told['number']}"
        self._console.print(f"[cyan]{name:<36}[/]  {event['subject']:<32}  {said:<44}  [green]{event['topic']}[/]")

    def applied_before(self, delivery: Delivery, outcome: dict[str, Any]) -> None:
        """The delivery was handled in an earlier run; it is not handled again."""
        name = outcome["event"]["type"].removeprefix("github.")
        self._console.print(f"[dim]{name:<36}  {outcome['agent']:<32}  already applied[/]")

    def table(self, desk: Iterable[tuple[str, dict[str, Any]]], published: Counter[str]) -> None:
        """One row per agent, from its committed state."""
        table = Table(title="What the agents remember", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        table.add_column("agent", overflow="fold")
        for column in ("deliveries", "kinds", "published", "issues", "PRs", "stars"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("last actor", overflow="fold")
        for agent, state in desk:
            table.add_row(*_row(agent, state, published[agent]))
        self._console.print()
        self._console.print(table, soft_wrap=False)

    def verdicts(self, desk: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """One row per issue and pull request that was to be judged; where there is no verdict, why."""
        items = [(agent, number, item) for agent, state in desk for number, item in triage_of(state).items()]
        models = ", ".join(sorted({item["model"] for _, _, item in items if item["model"]}))
        title = f"What the team says, by the model {models}" if models else "What the team says"
        table = Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        table.add_column("item", no_wrap=True)
        for column in ("title", "labels", "priority", "next step", "summary"):
            table.add_column(column, overflow="fold")
        for agent, number, item in items[-ITEMS_MAX:]:
            table.add_row(*map(Text, _verdict_row(agent, number, item)))
        self._console.print(table, soft_wrap=False)

    def end(self, total: int, before: int, failed: int) -> None:
        """How many deliveries were applied when."""
        self._console.print(f"{total} deliveries: {total - before - failed} applied in this run, {before} before it.")
        if failed:
            self._console.print(f"[red]{failed} did not end well: see `aos quarantine ls`.[/]")

    def how_to_go_on(self, lines: Iterable[str]) -> None:
        """Commands to type; not wrapped, so that they can be copied."""
        for line in lines:
            self._console.print(line, markup=False)


def _row(agent: str, state: dict[str, Any], published: int) -> list[str]:
    opened = [str(len(state[name])) if name in state else "" for name in ("open_issues", "open_pull_requests")]
    stars = str(state.get("stars", ""))
    return [
        agent,
        str(state["deliveries"]),
        str(len(state["counts"])),
        str(published),
        *opened,
        stars,
        state["last_actor"],
    ]


def _verdict_row(agent: str, number: str, item: dict[str, Any]) -> list[str]:
    verdict, begin = item["verdict"], [f"{agent.removeprefix('repo/')}#{number}", item["title"]]
    if verdict is None:
        reason = "the team has not answered yet" if item["request"] else item["reason"]
        return [*begin, "", "", "", f"no verdict: {reason}"]
    return [*begin, ", ".join(verdict["labels"]), verdict["priority"], verdict["next_step"], verdict["summary"]]
