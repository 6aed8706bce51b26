"""Real processes, a real SQLite file, real SIGKILL: `run_kills` is what `aos faults --kill N` calls."""

from AgentOperatingSystem.proof.kill.run import run_kills

__all__ = ["run_kills"]
