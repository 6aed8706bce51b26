"""What goes around a model: each wrapper is a `ModelProvider` around another one, so they nest in any order.

`registry` composes them as a fold; each is a file of its own.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import TypeAlias

from AgentOperatingSystem.ml.ports import ModelProvider

Wrap: TypeAlias = Callable[[ModelProvider], ModelProvider]


def wrapped(provider: ModelProvider, wraps: Iterable[Wrap]) -> ModelProvider:
    """The provider with the wrappers around it, the first one innermost."""
    return reduce(lambda inner, wrap: wrap(inner), wraps, provider)
