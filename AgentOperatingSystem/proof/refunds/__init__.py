"""Money is given back once: a team with tools that must not act twice, killed at every step and inside every call.

`run_refunds` is what `aos faults --refunds N` calls; `plain.py` is the same scenario on AutoGen alone.
"""

from AgentOperatingSystem.proof.refunds.run import run_refunds

__all__ = ["run_refunds"]
