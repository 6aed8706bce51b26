"""Reliability: what a call to an unreliable thing and a life in states need. It knows nothing of agents.

`StateMachine` and `CircuitBreaker` are the specification's (rows 192 and 193), used by applications and adapters;
`backoff_seconds` is the one formula of waiting that the kernel and `retry` share.
"""

from AgentOperatingSystem.errors import CircuitOpen, IllegalTransition, ServiceError
from AgentOperatingSystem.reliability.backoff import backoff_seconds, retry
from AgentOperatingSystem.reliability.circuit_breaker import CircuitBreaker
from AgentOperatingSystem.reliability.state_machine import StateMachine, Transition

__all__ = [
    "CircuitBreaker",
    "CircuitOpen",
    "IllegalTransition",
    "ServiceError",
    "StateMachine",
    "Transition",
    "backoff_seconds",
    "retry",
]
