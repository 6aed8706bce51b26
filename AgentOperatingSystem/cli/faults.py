"""`aos faults`: the five ways to break things, and one report of what became of it.

Called by `commands.checks`; the simulator breaks a world in virtual time, the killer ends real processes.
"""

from collections import Counter

from AgentOperatingSystem.proof.report import Report


def break_things(
    seeds: int,
    kills: int,
    refunds: int,
    first_seed: int,
    *,
    jobs: int = 0,
    stack: int = 0,
    plain: bool = False,
    storage: str = "",
) -> Report:
    """Runs all, or those that are asked for (a number above 0). `storage` is the connection string of an account that
    keeps state in place of files, where processes are killed.
    """
    reports = []
    if seeds:
        from AgentOperatingSystem.proof.simulator.run import run

        reports.append(run(seeds, first_seed))
    if kills:
        from AgentOperatingSystem.proof.kill import run_kills

        reports.append(run_kills(kills, seed=first_seed, hosts=2 if storage else 1, storage=storage))
    if refunds:
        from AgentOperatingSystem.proof.refunds import run_refunds

        reports.append(run_refunds(refunds, seed=first_seed, plain=plain, storage=storage))
    if jobs:
        from AgentOperatingSystem.proof.gpu.kills import run_jobs

        reports.append(run_jobs(jobs, seed=first_seed))
    if stack:
        from AgentOperatingSystem.proof.stack.run import run_stack

        reports.append(run_stack(stack, storage, seed=first_seed))
    return reports[0] if len(reports) == 1 else together(reports)


def is_broken(report: Report) -> bool:
    """Whether a promise did not hold."""
    broken = report["lost"] or report["applied_twice"] or report["stuck"] or report.get("answers_paid_twice")
    return bool(broken or report.get("failures"))


def together(reports: list[Report]) -> Report:
    """The sums; the hash names each."""
    kinds: Counter[str] = Counter()
    whole = Report(faults=0, events=0, lost=0, applied_twice=0, stuck=0, hash="", by_kind={}, kills=0)
    failures: list[str] = []
    for report in reports:
        whole["faults"] += report["faults"]
        whole["events"] += report["events"]
        whole["lost"] += report["lost"]
        whole["applied_twice"] += report["applied_twice"]
        whole["stuck"] += report["stuck"]
        whole["kills"] += report.get("kills", 0)
        for name in ("in_doubt", "answers_paid_twice", "plain_autogen", "done"):
            if name in report:
                whole[name] = report[name]
        failures += report.get("failures", [])
        kinds.update(report["by_kind"])
    whole["hash"] = ":".join(report["hash"] for report in reports)
    whole["by_kind"] = dict(kinds)
    if failures:
        whole["failures"] = failures
    return whole
