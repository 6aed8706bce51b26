"""`python -m benchmarks.peers.run`: the benchmark of `aos bench`, with LangGraph and DBOS in the same rounds.

Same options, same report. The peers have an interpreter of their own (`scripts/environment peers` makes it from
locks/peers.txt), so that nothing of theirs is needed to use or test the package; this file needs none of them.
"""

import sys
from pathlib import Path

from AgentOperatingSystem.proof.bench.__main__ import main
from AgentOperatingSystem.proof.bench.contestant import Entry
from AgentOperatingSystem.proof.bench.contestants import BUILT_IN

ROOT = Path(__file__).parents[2]


def peer(name: str, factory: str) -> Entry:
    """A peer's line. None sleeps: to fill a million of its agents through its own interface would take an hour."""
    return Entry(
        name=name,
        factory=f"benchmarks.peers.{factory}",
        python=str(ROOT / ".venv-peers" / "bin" / "python"),
        install="Run VENV=.venv-peers scripts/environment peers",
    )


PEERS = (
    peer("langgraph_sqlite", "langgraph_sqlite:LangGraph"),
    peer("langgraph_sqlite_exit", "langgraph_sqlite:LangGraphExit"),
    peer("dbos_sqlite", "dbos_sqlite:Dbos"),
    peer("dbos_sqlite_lean", "dbos_sqlite:DbosLean"),
)


if __name__ == "__main__":
    sys.exit(main(entries=(*BUILT_IN, *PEERS)))
