"""The models of the running system, for those who hold a name and no configuration.

The composition file registers them with `use`; agents ask `provider_of` when they think. Nothing is made before that.
"""

from typing import TYPE_CHECKING, Any

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.registry import Models

if TYPE_CHECKING:
    from AgentOperatingSystem.ml.azure_ml_jobs import AzureMLJobs
    from AgentOperatingSystem.ml.tokens import TokenSource


class RunningModels:
    """The models of one system; the first question makes the registry."""

    def __init__(
        self,
        config: AOSConfig,
        clock: Clock | None = None,
        credential: Any = None,
        *,
        tokens: "TokenSource | None" = None,
    ) -> None:
        """`credential` proves to Azure who the host is; none means what azure-identity finds. `tokens` takes its place
        for endpoints and jobs of Azure Machine Learning.
        """
        self._config = config
        self._clock = clock
        self._credential = credential
        self._tokens = tokens
        self._models: Models | None = None
        self._jobs: AzureMLJobs | None = None

    def get(self, name: str = "") -> ModelProvider:
        """The model of this name, or the configured one. Raises as `Models.get` does."""
        if self._models is None:
            self._models = Models(self._config, clock=self._clock, credential=self._credential, ml_tokens=self._tokens)
        return self._models.get(name)

    @property
    def jobs(self) -> "AzureMLJobs":
        """The GPU jobs of the configured workspace. Raises `ConfigurationError` where none is configured."""
        if self._jobs is None:
            from AgentOperatingSystem.ml.azure_ml_jobs import AzureMLJobs  # loads the HTTP client

            self._jobs = AzureMLJobs(self._config, self._clock, self._tokens, self._credential)
        return self._jobs

    async def close(self) -> None:
        """Closes every model that was made."""
        if self._jobs is not None:
            await self._jobs.close()
        if self._models is not None:
            await self._models.close()


_running: list[RunningModels] = []


def use(models: RunningModels) -> None:
    """Makes these the models of this process, until `release`."""
    _running.append(models)


async def release(models: RunningModels) -> None:
    """The system that used them has closed: they are forgotten, and closed."""
    _running[:] = [each for each in _running if each is not models]
    await models.close()


def gpu_jobs() -> "AzureMLJobs":
    """The GPU jobs of the running system or, where none runs, of the environment's configuration.

    Raises `ConfigurationError` where no workspace is configured.
    """
    return (_running[-1] if _running else RunningModels(AOSConfig())).jobs


def provider_of(model: str | ModelProvider = "") -> ModelProvider:
    """A model from its name: that of the running system or, where none runs, one from the environment's configuration.

    A provider is its own. Raises as `Models.get` does.
    """
    if not isinstance(model, str):
        return model
    return (_running[-1] if _running else RunningModels(AOSConfig())).get(model)
