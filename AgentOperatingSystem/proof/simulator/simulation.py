"""What happens in one seed's world, from its first event to its verdict.

faults strike → they stop → time runs out → is anything stuck?
→ a person resumes, redrives, cancels → time runs out → the judge
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec

from AgentOperatingSystem.agents.steps import Step, decode_step
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets.rules import ASK_AGAIN_SECONDS
from AgentOperatingSystem.proof.simulator.client import Outside
from AgentOperatingSystem.proof.simulator.faults import Journal
from AgentOperatingSystem.proof.simulator.history import Said
from AgentOperatingSystem.proof.simulator.judge import Final, Judge, Verdict
from AgentOperatingSystem.proof.simulator.judge_approvals import approval_faults
from AgentOperatingSystem.proof.simulator.judge_order import disorders
from AgentOperatingSystem.proof.simulator.judge_spending import SpendingJudge
from AgentOperatingSystem.proof.simulator.judge_steps import step_faults
from AgentOperatingSystem.proof.simulator.judge_time import timer_faults
from AgentOperatingSystem.proof.simulator.people import Approver, Treasurer
from AgentOperatingSystem.proof.simulator.person import Person
from AgentOperatingSystem.proof.simulator.plan import CLOCK, Plan, plan_for
from AgentOperatingSystem.proof.simulator.program import program_for
from AgentOperatingSystem.proof.simulator.virtual_loop import run_virtual
from AgentOperatingSystem.proof.simulator.world import Build, World
from AgentOperatingSystem.storage.records import STEP, Control, Status

QUIET_SECONDS = 500.0
"""How long everything may take to end after the last fault: a hanging handler is stopped after 100 s, twice."""
QUIET_TIMES = 20
CANCELLED_SECONDS = 130.0
"""Beyond the next run of every schedule: no bell is left."""
LATEST_BELL_SECONDS = ASK_AGAIN_SECONDS + 86_400.0
"""Beyond the time at which an event would look again whether its budget has room."""
_AWAKE = {Control.PAUSED: "resume", Control.STOPPED: "start"}
_decode = msgspec.json.decode


class Outcome(msgspec.Struct, frozen=True):
    """What came of one seed."""

    seed: int
    counts: dict[str, int]
    """Faults that struck, by kind."""
    verdict: Verdict
    digest: str
    lines: list[str] = []
    """The last lines of the log, where they were asked for."""
    seen: dict[str, int] = {}
    """How much of what was done, in a world with steps."""

    @property
    def faults(self) -> int:
        """How many faults struck."""
        return sum(self.counts.values())


def simulate(seed: int, build: Build | None = None, keep: int = 0, *, steps: bool = False) -> Outcome:
    """Runs the world of a seed. The same seed and code give the same outcome, hash included."""
    with _errors_heard() as errors:
        outcome = run_virtual(_simulate(plan_for(seed, steps=steps), build or Build(), Journal(keep)))
    outcome.verdict.other += [f"the system itself failed: {error}" for error in errors]
    return outcome


async def _simulate(plan: Plan, build: Build, journal: Journal) -> Outcome:
    world = World(plan, build, journal)
    world.open()
    verdict = Verdict()
    outside = Outside(world.doors, world.log)
    person = Person(outside, world.outside, plan.seed)
    treasurer = Treasurer(outside, world.limits, journal, plan.seed)
    approver = Approver(outside, world.outside.history, journal, plan.seed, plan.skew_seconds)
    people = [asyncio.create_task(each.run()) for each in (person, treasurer, approver) if plan.steps]
    try:
        await _faults(world, verdict)
        await _stuck(world, verdict)
        await _person(world)
    except TimeoutError:
        verdict.stuck.append("a client was never told that its event is accepted")
    for each in people:
        each.cancel()
    if plan.steps:
        await asyncio.sleep(LATEST_BELL_SECONDS)
    world.close()
    await _judge(world, verdict)
    seen = _counted(world) | {"verdicts": person.decided, "limits raised": treasurer.raised} if plan.steps else {}
    return Outcome(plan.seed, world.faults.counts, verdict, journal.digest(), journal.lines, seen)


def _counted(world: World) -> dict[str, int]:
    """How much of what was done."""
    steps, entries = world.seen.steps, Counter(type(each).__name__ for each in world.outside.history)
    said = Counter(each.how for each in world.outside.history if isinstance(each, Said))
    seen = dict(world.outside.counts) | {"steps": world.outside.steps, "in doubt": steps.in_doubt}
    seen |= {"cancelled": len(world.log.cancelled)}
    seen |= {f"cancelled {where}": steps.cancelled[where] for where in ("queued", "running", "parked", "waiting")}
    seen |= {"reserved": entries["Reserved"], "charged in full": entries["Charged"]}
    seen |= {"corrected": entries["Corrected"], "approvals": entries["Verdict"]}
    return seen | {f"decided {how}": said[how] for how in ("own", "other", "again", "late")}


# --- what happens -----------------------------------------------------------------------------------------


async def _faults(world: World, verdict: Verdict) -> None:
    """The program runs, and faults strike until their time is over; then everything may come to its end."""
    program = program_for(world.plan)
    outside = Outside(world.doors, world.log)
    asking = [outside.do(steps, f"client/{number}") for number, steps in enumerate(program.clients)]
    asking += [outside.do(steps, f"operator/{number}") for number, steps in enumerate(program.operators)]
    tasks = [asyncio.create_task(each) for each in asking]
    await asyncio.sleep(world.plan.faults_end)
    world.faults.active = False
    world.journal.write("no more faults")
    await asyncio.wait_for(asyncio.gather(*tasks), QUIET_SECONDS)
    await _quiet(world)


async def _quiet(world: World) -> None:
    """Everything may come to its end; where steps are made, for as long as anything does."""
    for _ in range(QUIET_TIMES if world.plan.steps else 1):
        ended = world.seen.ended
        await asyncio.sleep(QUIET_SECONDS)
        if ended == world.seen.ended:
            return


async def _stuck(world: World, verdict: Verdict) -> None:
    """Whatever could have gone on, and has not, is stuck."""
    now = CLOCK.now()
    for agent, final in (await _finals(world)).items():
        held = final.head.control in _AWAKE
        waits = [row for row in final.rows.values() if row.status is Status.PARKED]
        verdict.stuck += [f"{agent} {row.event.id}: {row.reason}, due {row.due - now:g} s" for row in waits if not held]


async def _person(world: World) -> None:
    """Somebody looks after it: resumes what is paused, decides about the quarantine, ends the schedules."""
    outside = Outside(world.doors, world.log)
    rng = Random(f"person:{world.plan.seed}")
    await _wake_all(world, outside)
    for agent, final in (await _finals(world)).items():
        for row in final.rows.values():
            if row.status is Status.QUARANTINED:
                await _decide(outside, rng, agent, row.key)
    await _quiet(world)
    await _wake_all(world, outside)
    for agent, final in (await _finals(world)).items():
        for name in final.state.get("crons", {}):
            await outside.send(agent, f"cancel {name}", [["cancel", name]])
    await asyncio.sleep(CANCELLED_SECONDS)


async def _wake_all(world: World, outside: Outside) -> None:
    for agent, final in (await _finals(world)).items():
        if final.head.control in _AWAKE:
            await outside.control(agent, _AWAKE[final.head.control])


async def _decide(outside: Outside, rng: Random, agent: AgentId, key: str) -> None:
    """Redriven, edited and redriven, dropped, or left where it is."""
    chosen = rng.random()
    if chosen < 0.5:
        await outside.ask(lambda doors: doors.quarantine.redrive(agent, key))
    elif chosen < 0.7:
        await outside.ask(lambda doors: doors.quarantine.redrive(agent, key, {"do": []}))
    elif chosen < 0.8:
        await outside.ask(lambda doors: doors.quarantine.drop(agent, key, "not wanted"))


# --- what came of it --------------------------------------------------------------------------------------


async def _finals(world: World) -> dict[AgentId, Final]:
    """All agents as the store has them, read beneath all faults."""
    finals = {}
    for head in (await world.store.agents("", limit=10_000)).items:
        rows = (await world.store.events(head.agent, limit=100_000)).items
        memory = (await world.store.rows(head.agent, "memory", limit=1000)).items
        finals[head.agent] = Final(
            head,
            await _state(world, head.agent),
            {row.key: row for row in rows},
            {row.name: _decode(row.value) for row in memory if row.value is not None},
            await _steps(world, head.agent),
        )
    return finals


async def _steps(world: World, agent: AgentId) -> dict[str, list[Step]]:
    """The steps that are kept of an agent, by event key."""
    found: dict[str, list[Step]] = {}
    for row in (await world.store.rows(agent, STEP, limit=100_000)).items:
        if row.value is not None:
            found.setdefault(row.name.partition("/")[0], []).append(decode_step(row.value))
    return found


async def _state(world: World, agent: AgentId) -> dict[str, Any]:
    found = await world.store.load(agent)
    assert found is not None
    head = found[0]
    content = await world.blobs.get(head.state_blob) if head.state_blob else head.state
    state: dict[str, Any] = _decode(content) if content else {}
    return state


async def _judge(world: World, verdict: Verdict) -> None:
    finals, log, seen = await _finals(world), world.log, world.seen
    judge = Judge(finals, world.registry, verdict)
    judge.judge(log.accepted, log.refused, log.published, seen.publications)
    for agent, final in finals.items():
        for kind, what in timer_faults(agent, final):
            (verdict.lost if kind == "lost" else verdict.applied_twice).append(what)
        for kind, what in step_faults(agent, final, world.outside) if world.plan.steps else ():
            getattr(verdict, kind).append(what)
    verdict.other += world.outside.violations + seen.steps.violations
    if world.plan.steps:
        verdict.other += SpendingJudge(world.limits).judge(world.outside.history, seen.steps.spending.books)
        verdict.other += approval_faults(world.outside.history)
    verdict.other += _cancelled_in_vain(world, finals)
    if world.plan.ordered and not world.plan.steps:
        strict = [kind.name for kind in world.registry.types() if kind.strict]
        verdict.other += disorders(log.plain, finals, seen.attempts, strict)
    verdict.other += seen.violations
    verdict.other += [f"ids: {len(ids)} for {what[1]}" for what, ids in seen.message_ids.items() if len(ids) > 1]
    verdict.other += _wrong_answers(world, finals)
    if world.broker.bus.pending():
        verdict.stuck.append(f"{world.broker.bus.pending()} messages are left in the broker")


def _cancelled_in_vain(world: World, finals: dict[AgentId, Final]) -> Iterator[str]:
    """What somebody was told is cancelled stays so; and whatever was accepted can be cancelled."""
    yield from (f"cancel: {event} was accepted, and nobody knew it" for event in world.log.unreached)
    for key, agent in world.log.cancelled.items():
        row = finals[agent].rows.get(key)
        if row is None or row.status is not Status.CANCELLED:
            yield f"cancelled: {agent} {key} was cancelled, and is {row.status if row else 'gone'}"


def _wrong_answers(world: World, finals: dict[AgentId, Final]) -> Iterator[str]:
    """What a waiting client was told is what was committed."""
    for key, told in world.log.answers.items():
        agent = told.event.agent
        assert agent is not None
        row = finals[agent].rows.get(key)
        result = _decode(told.result) if isinstance(told.result, msgspec.Raw) else told.result
        if row is None or (told.status is Status.DONE and (row.status, row.result) != (told.status, result)):
            yield f"answer: {agent} {told.event.id} was answered {told.status} {result!r}, which was not committed"


@contextmanager
def _errors_heard() -> Iterator[list[str]]:
    """The system's log is silent meanwhile, but for what must never be said: an error of the system itself."""
    heard: list[str] = []
    root, pump = logging.getLogger("AgentOperatingSystem"), logging.getLogger("AgentOperatingSystem.orchestration.pump")

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            heard.append(f"{record.getMessage()} {error!r}")

    ear = Ear(logging.ERROR)
    before = (root.level, pump.level, root.propagate)
    root.setLevel(logging.CRITICAL)
    pump.setLevel(logging.ERROR)
    root.propagate = False
    pump.addHandler(ear)
    try:
        yield heard
    finally:
        pump.removeHandler(ear)
        root.setLevel(before[0])
        pump.setLevel(before[1])
        root.propagate = before[2]
