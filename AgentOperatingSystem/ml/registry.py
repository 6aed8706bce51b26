"""From `provider/model` to a model: `model("openai/gpt-4o-mini", config)`.

The composition file and whoever needs a model ask here; this is the one place that chooses a provider and puts the
wrappers around it. `Models` keeps one of each, so that connections, breakers and caches are shared in a process.
"""

from functools import partial
from pathlib import Path

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import UnknownModel
from AgentOperatingSystem.ml.azure import TokenProvider
from AgentOperatingSystem.ml.endpoints import COMPATIBLE
from AgentOperatingSystem.ml.offline import OfflineModel
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.prices import PriceList
from AgentOperatingSystem.ml.records import OFFLINE
from AgentOperatingSystem.ml.script_file import read_script
from AgentOperatingSystem.ml.scripted import PROVIDER as SCRIPTED
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.ml.wrappers import Wrap, wrapped
from AgentOperatingSystem.ml.wrappers.breaker import Breaking
from AgentOperatingSystem.ml.wrappers.cache import Caching
from AgentOperatingSystem.ml.wrappers.coalesce import Coalescing
from AgentOperatingSystem.ml.wrappers.fallback import Falling
from AgentOperatingSystem.ml.wrappers.metered import Metered, Report
from AgentOperatingSystem.ml.wrappers.retry import Retrying

REMOTE = (*COMPATIBLE, "azure", "anthropic", "gemini", "ollama")
PROVIDERS = (*REMOTE, SCRIPTED, OFFLINE)


def model(
    name: str, config: AOSConfig, *, clock: Clock | None = None, tokens: TokenProvider | None = None
) -> ModelProvider:
    """The model `provider/model`, with the configured wrappers; close it when done. See `Models.get`."""
    return Models(config, clock=clock, tokens=tokens).get(name)


class Models:
    """The models of one system, each made when it is first asked for, and closed together.

    `tokens` gives Microsoft Entra tokens for Azure OpenAI; `report` hears of every call (default: metrics). Raises
    `ConfigurationError` where the user's price file is wrong.
    """

    def __init__(
        self,
        config: AOSConfig,
        *,
        clock: Clock | None = None,
        tokens: TokenProvider | None = None,
        report: Report | None = None,
    ) -> None:
        self._config = config
        self._clock: Clock = clock or SystemClock()
        self._tokens = tokens
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
            return wrapped(ScriptedModel(read_script(Path(own_name)), model=own_name), self._wraps())
        from AgentOperatingSystem.ml import remote  # loads the HTTP client

        return wrapped(remote.build(provider, own_name, self._config, self._tokens), self._wraps())

    def _wraps(self) -> list[Wrap]:
        """What goes around every model, the innermost first."""
        config, clock = self._config, self._clock
        wraps: list[Wrap] = [
            lambda inner: Metered(inner, self._prices, self._report),
            partial(
                Breaking,
                clock=clock,
                failures_max=config.model_breaker_failures,
                open_seconds=config.model_breaker_seconds,
            ),
            partial(
                Retrying,
                clock=clock,
                attempts_max=config.model_attempts_max,
                wait_seconds_max=config.model_wait_seconds_max,
            ),
        ]
        if config.model_coalesce:
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
