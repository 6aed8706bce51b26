"""LangGraph with its SQLite checkpointer on the canonical work: one node, one thread of conversation for each agent.

At its best: the checkpointer of the standard library's sqlite3 (the one on aiosqlite is slower), WAL as it sets
itself, and one worker thread, because SQLite and the interpreter let only one write anyway. LangGraph does not keep
two invocations of one thread apart (each would start from the same checkpoint), so a single worker is also what makes
`hot` right. The result event is a value of the graph's state; nothing drops a second event of the same id.
"""

import asyncio
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Literal, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from AgentOperatingSystem.proof.bench.work import Counted, State, handle, new_state


class Channels(TypedDict, total=False):
    """The graph's state: the event that came, the agent, the result event."""

    text: str
    agent: State
    result: Counted


def node(state: Channels) -> Channels:
    """The canonical handler as a node."""
    before = state.get("agent") or new_state()
    agent: State = {"count": before["count"], "texts": list(before["texts"])}
    return {"result": handle(agent, state["text"]), "agent": agent}


class LangGraph:
    """The `langgraph_sqlite` contestant: a checkpoint is written before each next step begins."""

    name = "langgraph_sqlite"
    durability: ClassVar[Literal["sync", "exit"]] = "sync"

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1)

    async def start(self, folder: Path, agents: int) -> None:
        self._connection = sqlite3.connect(folder / "langgraph.db", check_same_thread=False)
        builder = StateGraph(Channels)
        builder.add_node("handle", node)
        builder.add_edge(START, "handle")
        builder.add_edge("handle", END)
        self._graph = builder.compile(checkpointer=SqliteSaver(self._connection))

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, Any]:
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._invoke, agent_number, text)

    async def state(self, agent_number: int) -> State:
        kept: State = self._graph.get_state(_thread(agent_number)).values["agent"]
        return kept

    async def stop(self) -> None:
        self._worker.shutdown()
        self._connection.close()

    def counters(self) -> Mapping[str, float]:
        return {}

    def _invoke(self, agent_number: int, text: str) -> Mapping[str, Any]:
        channels = self._graph.invoke({"text": text}, _thread(agent_number), durability=self.durability)
        result: Mapping[str, Any] = channels["result"]
        return result


class LangGraphExit(LangGraph):
    """The `langgraph_sqlite_exit` contestant: only the graph's last checkpoint is written.

    For a graph of one node the same as `sync` to a caller that waits for the result.
    """

    name = "langgraph_sqlite_exit"
    durability = "exit"


def _thread(agent_number: int) -> Any:
    return {"configurable": {"thread_id": str(agent_number)}}
