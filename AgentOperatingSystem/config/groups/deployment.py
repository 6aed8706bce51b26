"""Which deployment this is, where its agents are, and its doors."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config import kinds
from AgentOperatingSystem.config.kinds import Count


class DeploymentSettings(BaseSettings):
    """Which deployment this is, where its agents are, and its doors."""

    environment: kinds.Name = Field(
        "production", description="Which deployment this is, such as production or development."
    )
    app: kinds.Text | None = Field(
        None, description="Where the agents are: a dotted module (`package.module`) or a file (`path/app.py`)."
    )
    config_dir: Path = Field(
        Path("config"), description="The directory whose `*.json` files are read; not settable in a file."
    )
    tenant: kinds.Name = Field("default", description="The tenant of whatever names none.")
    host: kinds.Text = Field("127.0.0.1", description="The address that the HTTP door listens on.")
    port: Count = Field(8080, ge=0, le=65535, description="The TCP port of the HTTP door; 0 takes any free one.")
    token: kinds.Token | None = Field(
        None, description="Secret. The bearer token that every HTTP route asks for; needed off loopback."
    )
    url: kinds.Url | None = Field(
        None, description="The system that the `aos` command speaks to; none means the one on this machine."
    )
    github_webhook_secret: kinds.Token | None = Field(
        None, description="Secret. The key of GitHub's webhook signatures; without it only loopback may post webhooks."
    )
    log_level: kinds.LogLevel = Field("INFO", description="The least severe log record that is written.")
    log_format: Literal["text", "json"] = Field(
        "text", description="How log records are written: `text` for people, `json` for machines, one object a line."
    )
    approvals_webhook_url: kinds.Url | None = Field(
        None, description="Where it is posted what people are asked to approve or answer, and what they decided."
    )
