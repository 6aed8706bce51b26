"""The list of who takes part. The first one is the subject: ratios say how many times as fast as each other it is."""

from collections.abc import Sequence

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.proof.bench.contestant import Entry
from AgentOperatingSystem.proof.bench.importing import FUNCTION_APP
from AgentOperatingSystem.proof.bench.scenarios import AWAKE, COUNTING, IMPORTING, RUNAWAYS, TEAMS

_HERE = "AgentOperatingSystem.proof.bench"
_AUTOGEN = "pip install 'agent-operating-system[autogen]'"
_AZURE = "in the repository: pip install '.[azure]'"

_FUNCTIONS = (
    Entry(name="functions_import", factory=f"{_HERE}.importing:FunctionApp", scenarios=IMPORTING, install=_AZURE),
    Entry(name="functions_import_sdk", factory=f"{_HERE}.importing:FunctionsSdk", scenarios=IMPORTING, install=_AZURE),
)
"""Where `function_app.py` is: it is deployed, not installed."""

BUILT_IN = (
    Entry(name="aos", factory=f"{_HERE}.aos:Aos", scenarios=COUNTING),
    Entry(name="floor", factory=f"{_HERE}.floor:Floor", scenarios=COUNTING),
    Entry(
        name="autogen_core",
        factory=f"{_HERE}.autogen_core:AutoGenCore",
        scenarios=AWAKE,  # it has no store to sleep in
        install=_AUTOGEN,
    ),
    Entry(name="aos_team", factory=f"{_HERE}.aos_team:AosTeam", scenarios=(*TEAMS, "steps_team"), install=_AUTOGEN),
    Entry(name="aos_team_bare", factory=f"{_HERE}.aos_team:AosTeamBare", scenarios=("steps_team",), install=_AUTOGEN),
    Entry(name="autogen_team", factory=f"{_HERE}.autogen_team:AutoGenTeam", scenarios=TEAMS, install=_AUTOGEN),
    Entry(name="autogen_quiet", factory=f"{_HERE}.autogen_team:QuietAutoGenTeam", scenarios=TEAMS, install=_AUTOGEN),
    Entry(name="steps_bare", factory=f"{_HERE}.aos_steps:Bare", scenarios=("steps",)),
    Entry(name="steps_model", factory=f"{_HERE}.aos_steps:Models", scenarios=("steps",)),
    Entry(name="steps_tool", factory=f"{_HERE}.aos_steps:Tools", scenarios=("steps",)),
    Entry(name="steps_function", factory=f"{_HERE}.aos_steps:Functions", scenarios=("steps",)),
    Entry(name="steps_once", factory=f"{_HERE}.aos_steps:Once", scenarios=("steps",)),
    Entry(name="runaway_none", factory=f"{_HERE}.runaways:Calm", scenarios=RUNAWAYS),
    Entry(name="runaway_ping_pong", factory=f"{_HERE}.runaways:PingPong", scenarios=RUNAWAYS),
    Entry(name="runaway_fan_out", factory=f"{_HERE}.runaways:FanOut", scenarios=RUNAWAYS),
    Entry(name="runaway_timers", factory=f"{_HERE}.runaways:SelfScheduling", scenarios=RUNAWAYS),
    Entry(name="runaway_team", factory=f"{_HERE}.runaways:Talking", scenarios=RUNAWAYS, install=_AUTOGEN),
    Entry(name="aos_import", factory=f"{_HERE}.importing:Package", scenarios=IMPORTING),
    Entry(name="aos_import_system", factory=f"{_HERE}.importing:System", scenarios=IMPORTING),
    Entry(name="python", factory=f"{_HERE}.importing:Bare", scenarios=IMPORTING),
    *(_FUNCTIONS if FUNCTION_APP.is_file() else ()),
)


def entries_named(names: Sequence[str], entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries named, in the order of the list; all if none is named. Raises InvalidInput for an unknown name."""
    known = [entry.name for entry in entries]
    if unknown := set(names).difference(known):
        raise InvalidInput(f"no contestant {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return tuple(entry for entry in entries if not names or entry.name in names)
