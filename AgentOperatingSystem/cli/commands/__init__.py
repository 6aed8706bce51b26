"""The commands; importing this hangs all of them into the tree, in the order of the help."""

from AgentOperatingSystem.cli.commands import (  # noqa: I001  # the order is that of the help
    events as events,
    chat as chat,
    traces as traces,
    replays as replays,
    travel as travel,
    actions as actions,
    agents as agents,
    cards as cards,
    control as control,
    schedules as schedules,
    quarantined as quarantined,
    effects as effects,
    budgets as budgets,
    approvals as approvals,
    archive as archive,
    knowledge as knowledge,
    serving as serving,
    creating as creating,
    settings as settings,
    checks as checks,
)
