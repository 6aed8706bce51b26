"""The environment of a process that plays a Functions worker: the app's own values, and nothing that tells the vendor's
packages that they run in the cloud; and the environment of processes that we start.

Called by `aos functions up` before anything of the app is loaded, and by whoever runs hosts beside this process.
"""

import os
from collections.abc import Mapping

IN_THE_CLOUD = ("CONTAINER_NAME", "WEBSITE_INSTANCE_ID")
"""Where one of these is set, the Functions worker takes the machine for one of the platform's."""


def become_worker(values: Mapping[str, str]) -> dict[str, str]:
    """Puts `values` into this process's environment, where a variable of that name is not set; answers all of it."""
    for name in IN_THE_CLOUD:
        os.environ.pop(name, None)
    for name, value in values.items():
        os.environ.setdefault(name, value)
    return dict(os.environ)


def environment_with(values: Mapping[str, str]) -> dict[str, str]:
    """This process's environment for one that it starts; `values` win."""
    return {name: value for name, value in os.environ.items() if name not in IN_THE_CLOUD} | dict(values)
