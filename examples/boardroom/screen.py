"""What the terminal shows: each decision as it is published, with its reasons, and at the end a table."""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

PIPE_COLUMNS = 110
"""How wide a table is where the output is no terminal."""
_VERDICTS = {True: "serves the purpose", False: "NOT COUNTED", None: "not judged"}


class Screen:
    """Lines while it runs, then the table."""

    def __init__(self) -> None:
        width = None if sys.stdout.isatty() else PIPE_COLUMNS
        self._console = Console(highlight=False, markup=False, soft_wrap=True, width=width)

    def begin(self, total: int, model: str) -> None:
        """Who thinks."""
        self._line(f"\nThe secretary hands in {total} proposals; the directors think with {model}.\n")

    def submitted(self, proposal: str, *, before: bool) -> None:
        """The board has a proposal, durably; from an earlier run, or from this one."""
        self._line(f"{proposal}  {'already before the board' if before else 'handed in'}")

    def decided(self, decision: dict[str, Any]) -> None:
        """The decision is committed, and this is what was published."""
        self._line(f"{decision['proposal']}  {decision['outcome'].upper():<9}  {decision['title']}")
        for vote in decision["votes"]:
            said = f"{vote['director']}  {vote['vote']:<7}  {_VERDICTS[vote['aligned']]:<18}"
            self._line(f"    {said}  {_reason(vote)}")

    def table(self, decisions: Iterable[dict[str, Any]], published: Counter[str]) -> None:
        """One row per proposal, from the board's committed state."""
        table = Table(title="What the board decided", title_justify="left", box=box.SIMPLE_HEAD)
        for column in ("proposal", "title", "ceo", "cfo", "cto", "decision"):
            table.add_column(column, overflow="fold")
        table.add_column("published", justify="right", no_wrap=True)
        for decision in decisions:
            votes = [_cell(vote) for vote in decision["votes"]]
            name = decision["proposal"]
            table.add_row(name, decision["title"], *votes, decision["outcome"], str(published[name]))
        self._console.print()
        self._console.print(table, soft_wrap=False)

    def end(self, total: int, before: int, unthought: int) -> None:
        """How many proposals were applied when, and whether anybody thought."""
        self._line(f"{total} proposals: {total - before} applied in this run, {before} before it.")
        if unthought:
            self._line(
                f"OFFLINE: no model thought about {unthought} of them, so nobody voted and nothing was made up. Set "
                "AOS_MODEL, and AOS_DATA_DIR to a new folder: what is decided stays decided."
            )

    def _line(self, text: str) -> None:
        self._console.print(text)


def _reason(vote: dict[str, Any]) -> str:
    """Why, in one line; who did not think needs no more than a sentence."""
    if _is_against(vote):
        return f"{vote['reasoning']} [{vote['verdict']}]"
    reasoning: str = vote["reasoning"]
    return reasoning.partition(",")[0] + "." if vote["vote"] == "none" else reasoning


def _cell(vote: dict[str, Any]) -> str:
    return f"({vote['vote']})" if _is_against(vote) else vote["vote"]


def _is_against(vote: dict[str, Any]) -> bool:
    """A vote that was judged not to serve its director's purpose."""
    return vote["aligned"] is False
