"""What `aos mcp` runs: a system of its own, offered to a model's host on standard input and output.

Called by `commands.serving`; it brings the whole system into this process.
"""

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.config import AOSConfig, load_app
from AgentOperatingSystem.mcp.server import serve_stdio
from AgentOperatingSystem.observability import logs


async def serve(config: AOSConfig) -> None:
    """Serves until the other side closes. Raises `ConfigurationError`; without agents, nothing is handled."""
    logs.configure(config.log_level, json=config.log_format == "json")
    logs.register_secrets(*config.secret_values())
    async with AgentOperatingSystem(config) as aos:
        if config.app is not None:  # without agents, what waits for one is left to a host that has them
            await aos.register_app(load_app(config.app))
            aos.start()
        await serve_stdio(aos)
