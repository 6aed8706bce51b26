"""Was every step made as it was promised? What really happened outside, against the steps that each event has. Pure."""

from collections import Counter
from collections.abc import Iterator

from AgentOperatingSystem.agents.steps import Step, StepKind, StepStatus
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.conversations import EVERY, HELD
from AgentOperatingSystem.proof.simulator.actions import Action, actions_of, changes_its_mind, flat
from AgentOperatingSystem.proof.simulator.judge import Final
from AgentOperatingSystem.proof.simulator.observed_steps import OWNING
from AgentOperatingSystem.proof.simulator.outside_world import OutsideWorld, name_of
from AgentOperatingSystem.storage.records import Control, EventRow, Status


def step_faults(agent: AgentId, final: Final, world: OutsideWorld) -> Iterator[tuple[str, str]]:
    """Pairs of `lost`, `applied_twice`, `stuck` or `other`, and what it is."""
    for row in final.rows.values():
        what = f"{agent} {row.event.source} {row.event.id}"
        yield from _effects(what, row, world)
        if row.status is Status.DONE:
            yield from _whole(what, row, final.steps.get(row.key, []), world)
    if final.head.control is not Control.TERMINATED:
        yield from _books(agent, final)


def _effects(what: str, row: EventRow, world: OutsideWorld) -> Iterator[tuple[str, str]]:
    """However the event ended: no harm is done twice, and no call is made in other words the second time."""
    who = f"{row.event.agent} {row.key}"
    for action in calls_of(actions_of(row.event)):
        if action[0] != "call":
            continue
        effect, name = action[1:]
        done = world.effects.get((who, name), [])
        if len(done) > 1 and effect != "idempotent":
            yield "applied_twice", f"{what}: {effect} {name} happened {len(done)} times"
        if len(set(done)) > 1:
            yield "other", f"{what}: {effect} {name} was called in {len(set(done))} different ways"
        if len(world.keys.get((who, name), {})) > 1:
            yield "other", f"{what}: {name} came with {len(world.keys[who, name])} idempotency keys"


def _whole(what: str, row: EventRow, steps: list[Step], world: OutsideWorld) -> Iterator[tuple[str, str]]:
    """An event that is done has a result for each of its calls, and each that says so has happened."""
    who = f"{row.event.agent} {row.key}"
    known = Counter(name_of(step) for step in steps if step.kind is not StepKind.WAIT)
    by_name = {name_of(step): step for step in steps if step.kind is not StepKind.WAIT}
    for step in steps:
        if step.status is not StepStatus.DONE and not _is_void(step, row):
            yield "other", f"{what}: is done, and {step.name} is {step.status}"
    for action in calls_of(actions_of(row.event)):
        name = action[2] if action[0] == "call" else action[1]
        if known[name] != 1:
            yield ("lost" if not known[name] else "other"), f"{what}: {known[name]} steps {name}"
        elif (
            action[0] == "call" and action[1] != "pure" and not by_name[name].is_error and not world.effects[who, name]
        ):
            yield "lost", f"{what}: {action[1]} {name} is done, and never happened"


def _is_void(step: Step, row: EventRow) -> bool:
    """Whether a step needs no result any more: the budget has room, or the handler wanted something else then, and what
    it had wanted before was never made or is known not to have happened.
    """
    if changes_its_mind(row.event):
        return step.kind is StepKind.WAIT or step.status is StepStatus.FAILED
    return step.kind is StepKind.WAIT and step.what == "budget"


def calls_of(actions: list[Action]) -> Iterator[Action]:
    """All models, tools and functions that actions call, at whatever depth."""
    return (action for action in flat(actions) if action[0] in ("call", "think", "step"))


def _books(agent: AgentId, final: Final) -> Iterator[tuple[str, str]]:
    """What the head says of the rows is what the rows say."""
    head, rows = final.head, final.rows.values()
    backlog = sum(row.status is Status.PARKED and row.blocking for row in rows)
    if head.backlog != backlog:
        yield "other", f"{agent}: its head counts {head.backlog} blocking events, its rows are {backlog}"
    owners = {row.event.conversation for row in rows if row.status in OWNING or row.owns}
    owned = {EVERY} if owners and agent.name == "orderly" else owners if agent.name == "talker" else set()
    if set(head.waiting) != owned:
        yield "other", f"{agent}: its head holds {head.waiting}, its rows {sorted(owned)}"
    for row in rows:
        if row.status is Status.PARKED and row.reason == HELD and not owned:
            yield "stuck", f"{agent} {row.event.id}: held, and nobody has its conversation"
        if row.status in OWNING:
            yield "stuck", f"{agent} {row.event.id}: {row.status}, {row.reason}"
