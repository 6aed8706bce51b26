"""`python -m AgentOperatingSystem.proof.simulator SEED`: one world with its log, to see what went wrong in it."""

import argparse
import sys
from collections.abc import Sequence

from AgentOperatingSystem.proof.simulator.simulation import simulate

KEEP = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the world's log and what its judge found; 1 where that is anything."""
    parser = argparse.ArgumentParser(prog="simulator", description="Run the world of one seed again and show its log.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--steps", action="store_true", help="the world of the seed whose agents make steps")
    parser.add_argument("--quiet", action="store_true", help="only what was found wrong")
    chosen = parser.parse_args(arguments)
    outcome = simulate(chosen.seed, keep=0 if chosen.quiet else KEEP, steps=chosen.steps)
    found = outcome.verdict.all()
    for line in (*outcome.lines, *found):
        sys.stdout.write(f"{line}\n")
    sys.stderr.write(
        f"seed {outcome.seed}: {outcome.faults} faults, {outcome.verdict.events} events, {len(found)} broken promises, "
        f"hash {outcome.digest}\n"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
