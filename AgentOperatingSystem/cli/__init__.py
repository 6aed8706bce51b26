"""The `aos` command: a door for people and scripts, over the HTTP API.

`main` → `app` (the tree of commands) → `command` (shared options, errors to exit codes) → `commands/*` (one function
each) → `system` (which system: a server, or the data folder itself) → `client` (HTTP). docs/cli.md holds every
command's help.
"""

__all__ = ["main"]


def main() -> int:
    """The console script: runs the command line of this process and answers its exit code."""
    from AgentOperatingSystem.cli.app import run

    return run()
