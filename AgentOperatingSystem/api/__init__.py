"""The HTTP doors: REST, CloudEvents, GitHub webhooks, server-sent events. docs/http.md lists the routes."""

from AgentOperatingSystem.api.app import create_app

__all__ = ["create_app"]
