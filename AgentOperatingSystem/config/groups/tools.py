"""What the tools that are shipped with the system need."""

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config import kinds


class ToolSettings(BaseSettings):
    """What the tools that are shipped with the system need."""

    search_provider: Literal["duckduckgo", "wikipedia", "brave", "tavily", "searxng"] = Field(
        "duckduckgo", description="Who `web_search` asks; `brave` and `tavily` need a key, `searxng` needs a URL."
    )
    search_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Brave or Tavily.")
    search_url: kinds.Url | None = Field(None, description="The SearXNG instance, which may lie in a private network.")
    session_pool_endpoint: kinds.Url | None = Field(
        None,
        description="The Azure Container Apps session pool that runs models' programs; none means this machine's cage.",
    )
    session_pool_key: kinds.Token | None = Field(
        None, description="Secret. What the names of the pool's sessions are derived with: 32 characters or more."
    )

    @model_validator(mode="after")
    def _check_tools(self) -> Self:
        needed = {"brave": "search_api_key", "tavily": "search_api_key", "searxng": "search_url"}
        missing = needed.get(self.search_provider)
        if missing is not None and getattr(self, missing) is None:
            raise ValueError(f"search_provider {self.search_provider!r} needs {missing}")
        if self.session_pool_endpoint is not None and self.session_pool_key is None:
            raise ValueError("session_pool_endpoint needs session_pool_key")
        return self
