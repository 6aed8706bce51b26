"""Runs a local host in a process of its own: `serve_doors.py APP SETTINGS-AS-JSON [--reload]`."""

import json
import sys

from AgentOperatingSystem import AOSConfig
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.local import serve

if __name__ == "__main__":
    app, settings, *flags = sys.argv[1:]
    try:
        sys.exit(serve(AOSConfig(**json.loads(settings)), app, door=create_app, reload="--reload" in flags))
    except ConfigurationError as error:
        sys.exit(f"refused: {error}")
