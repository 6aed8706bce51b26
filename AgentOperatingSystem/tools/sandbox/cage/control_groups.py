"""Control groups, where the machine lets us make one: a second bound, on the memory of everything in the cage.

The host makes a group for a cage and removes it afterwards; the cage's first process joins. The limits that hold
everywhere are those in `limits`; a machine whose groups cannot be written loses nothing but the second bound.
cgroups(7), version 1 and 2.
"""

import os
from collections.abc import Sequence

ROOT = "/sys/fs/cgroup"
PREFIX = "aos-cage-"
NEEDED = ("memory", "pids")


def make(name: str, memory_bytes: int, tasks: int, *, root: str = ROOT, own: str = "") -> tuple[str, ...]:
    """Groups with these limits, one per hierarchy; none where this process may not make them."""
    made = []
    for parent in parents(own or _read("/proc/self/cgroup"), root):
        group = f"{parent}/{PREFIX}{os.getpid()}-{name}"
        if _try(group, _limits(parent, memory_bytes, tasks)):
            made.append(group)
    return tuple(made)


def join(groups: Sequence[str]) -> None:
    """Moves the calling process, and all that it will start, into the groups."""
    for group in groups:
        _write(f"{group}/cgroup.procs", "0")


def remove(groups: Sequence[str]) -> None:
    """Removes the groups, which are empty by now."""
    for group in groups:
        try:
            os.rmdir(group)
        except OSError:
            continue  # a group that is left over bounds nothing


def sweep(*, root: str = ROOT, own: str = "") -> None:
    """Removes what hosts left that were killed: groups that bear the number of a process that is no more."""
    for parent in parents(own or _read("/proc/self/cgroup"), root):
        names = [name for name in _names(parent) if name.startswith(PREFIX)]
        remove([f"{parent}/{name}" for name in names if not _is_alive(name.removeprefix(PREFIX).partition("-")[0])])


def parents(own: str, root: str) -> list[str]:
    """Below which groups ours can be made: the nearest ones to this process's own that hand on a needed controller.

    `own` is the text of /proc/self/cgroup: lines of `id:controllers:path`, with no controllers for version 2.
    """
    found = []
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found += _handing_on(path, root)
        elif set(controllers.split(",")) & set(NEEDED):
            found.append(f"{root}/{controllers}{path.rstrip('/')}")
    return found


def _handing_on(path: str, root: str) -> list[str]:
    """Version 2: the first group upward that gives its children what we need."""
    for group in (each for place in (root, f"{root}/unified") for each in _upward(place, path)):
        if set(NEEDED) <= set(_read(f"{group}/cgroup.subtree_control").split()):
            return [group]
    return []


def _upward(root: str, path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/".join([root, *parts[:length]]) for length in range(len(parts), -1, -1)]


def _limits(parent: str, memory_bytes: int, tasks: int) -> dict[str, int]:
    """File to value, as this hierarchy spells them."""
    if os.path.exists(f"{parent}/cgroup.subtree_control"):
        return {"memory.max": memory_bytes, "pids.max": tasks}
    if os.path.exists(f"{parent}/memory.limit_in_bytes"):
        return {"memory.limit_in_bytes": memory_bytes}
    return {"pids.max": tasks}


def _try(group: str, limits: dict[str, int]) -> bool:
    try:
        os.mkdir(group)
        for name, value in limits.items():
            _write(f"{group}/{name}", str(value))
    except OSError:
        remove([group])
        return False
    return True


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_alive(process: str) -> bool:
    return os.path.exists(f"/proc/{process}")


def _read(path: str) -> str:
    """The text of a file; none where it is not there or not ours to read."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
