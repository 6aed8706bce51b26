"""AutoGen's names: identifiers, unique in a team, made from agent ids in a way that can be taken back.

`PerpetualAgent` asks here where nobody gives it a `name=`.
"""

import re

from AgentOperatingSystem.errors import InvalidAgentId

_TO_ESCAPE = re.compile(r"[^A-Za-z0-9_]|_(?=x)|^[0-9]")
_ESCAPED = re.compile(r"_x([0-9a-f]+)_")


def autogen_name(agent_id: str) -> str:
    """An identifier for an agent id, another one for each: `repo/a-b` becomes `repo_x2f_a_x2d_b`.

    Ids that are identifiers already stay as they are (only `_x` is escaped, to `_x5f_x`).
    """
    return _TO_ESCAPE.sub(lambda found: f"_x{ord(found[0]):x}_", agent_id)


def agent_id_of(name: str) -> str:
    """The inverse of `autogen_name`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)


def checked_name(name: str) -> str:
    """The name itself. Raises `InvalidAgentId` where AutoGen would refuse it."""
    if not name.isidentifier():
        raise InvalidAgentId(f"name {name[:80]!r}: AutoGen's names are identifiers: letters, digits and '_'")
    return name
