"""`AgentTeam`: several minds that answer an event together, as one agent with one state.

The kernel hands it an event; the members that its state names talk it over in one of AutoGen's group chats (behind
`autogen.py`) until a condition stops them. Conversation, speaker order and members are committed together, so the next
event, or the next host, goes on where they stopped.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, get_args

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.conversation import MAIN
from AgentOperatingSystem.agents.minds import BRIDGE, Answer, TeamKind, TeamSpec, bridge, name_of, task_of
from AgentOperatingSystem.agents.naming import autogen_name, checked_name
from AgentOperatingSystem.agents.perpetual_agent import SYSTEM_MESSAGE, PerpetualAgent
from AgentOperatingSystem.agents.roles import Role, check_roles, selection, speaking
from AgentOperatingSystem.agents.rosters import fitted, is_said
from AgentOperatingSystem.agents.thinking import model_of
from AgentOperatingSystem.agents.threads import bounded
from AgentOperatingSystem.errors import ConfigurationError, InvalidAgentId, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.mcp.context_server import current_turn
from AgentOperatingSystem.ml.ports import ModelProvider

JOIN = "team.join"
LEAVE = "team.leave"
TALK = "team/talk/"
"""How the memory of a conversation with a name of its own begins."""
TURNS_MAX = 100
"""Turns after which a team stops whose condition was never met, where it names no `turns_max`."""
CONVERSATION_TOKENS_MAX = 32_000


class Newcomer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A member that joins by an event of type `team.join`: its data."""

    name: str
    system_message: str = SYSTEM_MESSAGE
    description: str = ""
    model: str = ""
    tools: tuple[str, ...] = ()
    """Names of the team's `tools`."""
    handoffs: tuple[str, ...] = ()
    role: Role | str | None = None


class TeamState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a team remembers."""

    autogen: dict[str, Any] = {}
    """AutoGen's state after the last run; empty before the first."""
    names: list[str] = []
    """The members of that run, in their order."""
    joined: list[Newcomer] = []
    left: list[str] = []
    """Members of the code that have left."""


class Talk(msgspec.Struct, omit_defaults=True):
    """What a team remembers of one conversation with a name of its own."""

    autogen: dict[str, Any] = {}
    names: list[str] = []


class AgentTeam(BaseAgent):
    """A team as an agent (specification rows 46 to 50).

    `kind` is AutoGen's group chat: `round_robin`, `selector`, `swarm` or `magentic_one`. It stops when
    `termination_condition` (`agents/conditions.py`, or AutoGen's own) is met or after `turns_max` turns (100 where none
    is given, 20 for `magentic_one`); all but `magentic_one` need one of the two. `model` is that of the selector and of
    MagenticOne's orchestrator. An event's result is `{"text", "stop_reason", "messages", "input_tokens",
    "output_tokens"}`.

    Events that name a conversation (`Event.conversation`) go on that one, all others on the team's own. Each is cut
    after an event that made it longer than `conversation_tokens_max` (estimated), to half of that; an extract stands
    for the rest.

    Members change between events: `team.join` (data as `Newcomer`) and `team.leave` (`{"name": …}`) are kept with the
    state; `add_member` and `remove_member` change what the code says. A new member reads the whole conversation before
    it first speaks. Members' roles (`agents/roles.py`) say who speaks, and after whom. Raises `ConfigurationError`
    where AutoGen could not build the team, or a role forbids what a member was given.
    """

    state_type = TeamState
    converses = True
    preloads = (BRIDGE,)

    def __init__(
        self,
        participants: Sequence[PerpetualAgent],
        *,
        termination_condition: Any = None,
        kind: TeamKind = "round_robin",
        turns_max: int | None = None,
        agent_id: str = "",
        name: str = "",
        model: str | ModelProvider = "",
        tools: Sequence[Any] = (),
        options: dict[str, Any] | None = None,
        conversation_tokens_max: int = CONVERSATION_TOKENS_MAX,
    ) -> None:
        super().__init__(agent_id)
        self.name = checked_name(name or autogen_name(self.agent_id))
        self.members = tuple(participants)
        self.kind: TeamKind = kind
        self.model = model
        self.tools = tuple(tools)
        self.turns_max = turns_max
        self.termination_condition = termination_condition
        self.options = dict(options or {})
        self.conversation_tokens_max = conversation_tokens_max
        self._group: Any = None
        self._saved: Any = None
        self._check()

    def add_member(self, member: PerpetualAgent) -> None:
        """From the next event on, `member` speaks too; where it lies in the code's order, the last."""
        self._change((*self.members, member))

    def remove_member(self, name: str) -> None:
        """From the next event on, the member of this name (AutoGen's) is gone; one that is not there is so already."""
        self._change(tuple(member for member in self.members if member.name != name))

    async def process(self, event: Event) -> Any:
        """Talks an event over, or changes the members."""
        if event.type == JOIN:
            return self._join(event.data)
        if event.type == LEAVE:
            return self._leave(event.data)
        answer = await self._answer(task_of(event))
        return {
            "text": answer.text,
            "stop_reason": answer.stop_reason,
            "messages": self._told(answer),
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
        }

    def roster(self) -> list[PerpetualAgent]:
        """The members as code and state have them now."""
        stays = [member for member in self.members if member.name not in self.state.left]
        return [*stays, *(self._made(newcomer) for newcomer in self.state.joined)]

    def _told(self, answer: Answer) -> list[dict[str, str]]:
        """What was said to all, by whom, in which role."""
        roles = {member.name: member.role.name for member in self.roster() if member.role is not None}
        return [
            {"source": each.source, "text": each.text} | ({"role": roles[each.source]} if each.source in roles else {})
            for each in answer.said
            if is_said({"type": each.type})
        ]

    # --- the conversation -------------------------------------------------------------------------------------

    async def _answer(self, task: str) -> Answer:
        """One run. A group is trusted again only where the state is the very object that it left."""
        self.state = TeamState() if self.state is None else self.state
        turn = current_turn() if self.context_server is not None and self.context_server.in_turn else None
        if isinstance(turn, Context) and turn.event.conversation not in ("", MAIN):
            return await self._answer_apart(task, turn)
        group, self._group = self._group, None
        saved = self.state.autogen
        if group is None or saved is not self._saved:
            group = await self._built(saved, self.state.names)
        answer: Answer = await group.run(task)
        self.state.autogen = self._saved = bounded(answer.state, self.conversation_tokens_max)
        self.state.names = list(group.names)
        self._group = group if self._saved is answer.state else None  # what was cut is forgotten by all
        return answer

    async def _answer_apart(self, task: str, turn: Context) -> Answer:
        """One run of a conversation with a name of its own, which lies in the team's memory: while it waits for an
        answer, the others go on and change nothing of it.
        """
        key = f"{TALK}{sha256(turn.event.conversation.encode()).hexdigest()[:32]}"
        talk = msgspec.convert(await turn.recall(key) or {}, Talk)
        group = await self._built(talk.autogen, talk.names)
        answer: Answer = await group.run(task)
        kept = Talk(bounded(answer.state, self.conversation_tokens_max), list(group.names))
        await turn.remember(key, kept)
        return answer

    async def _built(self, saved: dict[str, Any], names: list[str]) -> Any:
        group = bridge().Group(self._spec())
        if saved:
            await group.load(fitted(saved, names, group.names))
        return group

    def _spec(self) -> TeamSpec:
        members = speaking(self.roster())
        options = self.options | (selection(members) if self.kind == "selector" else {})
        return TeamSpec(
            name=self.name,
            kind=self.kind,
            members=tuple(member.spec() for member in members),
            provider=model_of(self.model),
            condition=self.termination_condition,
            turns_max=self.turns_max or (None if self.kind == "magentic_one" else TURNS_MAX),
            options=options,
        )

    # --- the members ------------------------------------------------------------------------------------------

    def _change(self, members: tuple[PerpetualAgent, ...]) -> None:
        before = self.members
        self.members = members
        try:
            self._check()
        except ConfigurationError:
            self.members = before
            raise
        self._group = None

    def _join(self, data: Any) -> list[str]:
        try:
            newcomer = msgspec.convert(data, Newcomer)
            checked_name(newcomer.name)
            check_roles([*self.roster(), self._made(newcomer)], self.kind)
        except (msgspec.ValidationError, InvalidAgentId, ConfigurationError) as error:
            raise Terminal(f"{JOIN}: {error}") from None
        if newcomer.name in self._names():
            raise Terminal(f"{JOIN}: {newcomer.name} is a member already")
        self.state.joined = [*self.state.joined, newcomer]
        return self._changed()

    def _leave(self, data: Any) -> list[str]:
        name, names = (data.get("name") if isinstance(data, dict) else data), self._names()
        if name not in names:
            raise Terminal(f"{LEAVE}: no member {name!r}; there are {', '.join(names)}")
        if len(names) == 1:
            raise Terminal(f"{LEAVE}: {name} is the last member; a team needs one")
        self.state.joined = [newcomer for newcomer in self.state.joined if newcomer.name != name]
        if any(member.name == name for member in self.members):
            self.state.left = [*self.state.left, name]
        return self._changed()

    def _changed(self) -> list[str]:
        self._group = None
        return self._names()

    def _names(self) -> list[str]:
        return [member.name for member in self.roster()]

    def _made(self, newcomer: Newcomer) -> PerpetualAgent:
        functions = {name_of(tool): tool for tool in self.tools}
        unknown = [tool for tool in newcomer.tools if tool not in functions]
        if unknown:
            raise ConfigurationError(f"team {self.name} has no tool {unknown[0]!r}; there are {', '.join(functions)}")
        return PerpetualAgent(
            [functions[tool] for tool in newcomer.tools],
            newcomer.system_message,
            name=newcomer.name,
            model=newcomer.model or self.model,
            description=newcomer.description,
            handoffs=newcomer.handoffs,
            role=newcomer.role,
        )

    def _check(self) -> None:
        """Raises `ConfigurationError` for a team that could not be built, or would never stop."""
        names = [member.name for member in self.members if isinstance(member, PerpetualAgent)]
        least = 2 if self.kind == "selector" else 1
        speakers = [member for member in speaking(self.members) if isinstance(member, PerpetualAgent)]
        if self.kind not in get_args(TeamKind):
            raise ConfigurationError(f"team {self.name}: kind {self.kind!r} is none of {', '.join(get_args(TeamKind))}")
        if len(names) != len(self.members) or len(names) < least:
            raise ConfigurationError(f"team {self.name}: needs {least} or more members, each a PerpetualAgent")
        if len(speakers) < least:
            raise ConfigurationError(f"team {self.name}: needs {least} or more members whose role speaks")
        if len(set(names)) != len(names):
            raise ConfigurationError(f"team {self.name}: members' names must differ: {', '.join(names)}; give name=")
        if self.termination_condition is None and self.turns_max is None and self.kind != "magentic_one":
            raise ConfigurationError(f"team {self.name} would never stop: give termination_condition= or turns_max=")
        check_roles(self.members, self.kind)
