"""Secrets in environment variables: `env://OPENAI_API_KEY`. For development (specification row 178)."""

from AgentOperatingSystem.config.environment import Environment


class EnvironmentSecrets:
    """The variables of this process, as they are now."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    async def get(self, name: str, version: str = "") -> str:
        """The variable's value. Raises `ConfigurationError` where it is not set, or empty."""
        return self._environment.text(name)

    async def close(self) -> None:
        """There is nothing to let go of."""
