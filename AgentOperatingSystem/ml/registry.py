"""From `provider/model` to a model: `model("openai/gpt-4o-mini", config)`.

The composition file and whoever needs a model ask here; this is the one place that chooses a provider and puts the
wrappers around it. `Models` keeps one of each, so that connections, breakers and caches are shared in a process.
"""

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import UnknownModel
from AgentOperatingSystem.ml.azure import TokenProvider, entra_tokens
from AgentOperatingSystem.ml.endpoints import COMPATIBLE
from AgentOperatingSystem.ml.gate import Gate
from AgentOperatingSystem.ml.offline import OfflineModel
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.prices import PriceList
from AgentOperatingSystem.ml.records import OFFLINE
from AgentOperatingSystem.ml.script_file import read_script
from AgentOperatingSystem.ml.scripted import PROVIDER as SCRIPTED
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.ml.tokens import TokenSource
from AgentOperatingSystem.ml.wrappers import Wrap, wrapped
from AgentOperatingSystem.ml.wrappers.breaker import Breaking
from AgentOperatingSystem.ml.wrappers.cache import Caching
from AgentOperatingSystem.ml.wrappers.coalesce import Coalescing
from AgentOperatingSystem.ml.wrappers.fallback import Falling
from AgentOperatingSystem.ml.wrappers.gated import Gated
from AgentOperatingSystem.ml.wrappers.metered import Metered, Report
from AgentOperatingSystem.ml.wrappers.retry import Retrying

if TYPE_CHECKING:
    from AgentOperatingSystem.ml.azure_ml import Endpoints

AZURE_ML = "azureml"
REMOTE = (*COMPATIBLE, "azure", AZURE_ML, "anthropic", "gemini", "ollama")
PROVIDERS = (*REMOTE, SCRIPTED, OFFLINE)


def model(
    name: str, config: AOSConfig, *, clock: Clock | None = None, tokens: TokenProvider | None = None
) -> ModelProvider:
    """The model `provider/model`, with the configured wrappers; close it when done. See `Models.get`."""
    return Models(config, clock=clock, tokens=tokens).get(name)


class Models:
    """The models of one system, each made when it is first asked for, and closed together.

    `tokens`, or else `credential`, gives Microsoft Entra tokens for Azure OpenAI; `ml_tokens`, or else `credential`,
    those for endpoints of Azure Machine Learning. `report` hears of every call (default: metrics). Raises
    `ConfigurationError` where the user's price file is wrong.
    """

    def __init__(
        self,
        config: AOSConfig,
        *,
        clock: Clock | None = None,
        tokens: TokenProvider | None = None,
        report: Report | None = None,
        credential: Any = None,
        ml_tokens: TokenSource | None = None,
    ) -> None:
        self._config = config
        self._clock: Clock = clock or SystemClock()
        self._tokens = tokens or (entra_tokens(credential) if credential is not None else None)
        self._credential = credential
        self._ml_tokens = ml_tokens
        self._report = report
        self._prices = PriceList(config.prices_file)
        self._made: dict[str, ModelProvider] = {}

    def get(self, name: str = "") -> ModelProvider:
        """The model of this name, or the configured one; with the setting `model_fallback` behind it.

        Raises `UnknownModel` for a name without provider or model, `ConfigurationError` where a key or an address is
        missing; both say what to write.
        """
        name = name or self._config.model
        fallbacks = [other.strip() for other in (self._config.model_fallback or "").split(",")]
        others = [self._one(other) for other in fallbacks if other and other != name]
        first = self._one(name)
        return Falling(first, others) if others and first.name != OFFLINE else first

    async def close(self) -> None:
        """Closes every model that was made."""
        while self._made:
            await self._made.popitem()[1].close()

    def _one(self, name: str) -> ModelProvider:
        if name not in self._made:
            self._made[name] = self._new(name)
        return self._made[name]

    def _new(self, name: str) -> ModelProvider:
        provider, _, own_name = name.partition("/")
        if provider not in PROVIDERS:
            raise UnknownModel(f"model {name!r}: no provider {provider!r}; there are {', '.join(PROVIDERS)}")
        if provider == OFFLINE:
            return OfflineModel(self._config.model_offline_verdict)
        if not own_name:
            raise UnknownModel(f"model {name!r} names a provider alone; write {provider}/<model>")
        if provider == SCRIPTED:
            return wrapped(ScriptedModel(read_script(Path(own_name)), model=own_name), self.wraps())
        if provider == AZURE_ML:
            reached = self.azure_ml.reach(own_name)
            return wrapped(reached.provider, self.wraps(reached.gate, coalesce=reached.coalesce))
        from AgentOperatingSystem.ml import remote  # loads the HTTP client

        return wrapped(remote.build(provider, own_name, self._config, self._tokens), self.wraps())

    @cached_property
    def azure_ml(self) -> "Endpoints":
        """The online endpoints of Azure Machine Learning. Raises `ConfigurationError` where their file is wrong."""
        from AgentOperatingSystem.ml.azure_ml import Endpoints  # loads the HTTP client

        return Endpoints(self._config, self._clock, self._ml_tokens, self._credential)

    def wraps(self, gate: Gate | None = None, *, coalesce: bool = False) -> list[Wrap]:
        """What goes around every model, the innermost first; an endpoint with a gate is entered by it alone."""
        config, clock = self._config, self._clock
        wraps: list[Wrap] = [
            lambda inner: Metered(inner, self._prices, self._report),
            partial(
                Breaking,
                clock=clock,
                failures_max=config.model_breaker_failures,
                open_seconds=config.model_breaker_seconds,
            ),
            *([partial(Gated, gate=gate)] if gate is not None else []),
            partial(
                Retrying,
                clock=clock,
                attempts_max=config.model_attempts_max,
                wait_seconds_max=config.model_wait_seconds_max,
            ),
        ]
        if config.model_coalesce or coalesce:
            wraps.append(Coalescing)
        if config.model_cache_seconds:
            wraps.append(
                partial(
                    Caching,
                    clock=clock,
                    ttl_seconds=config.model_cache_seconds,
                    bytes_max=config.model_cache_bytes_max,
                )
            )
        return wraps
