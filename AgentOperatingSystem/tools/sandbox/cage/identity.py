"""Who the cage is: it becomes a user that owns nothing, in namespaces that it has no rights over.

Two ways lead there. A process with CAP_SYS_ADMIN makes the namespaces as it is and then becomes a user id that nobody
else has. An ordinary user makes a user namespace first and is its administrator until the file system stands. Both end
in one more user namespace, below the one that owns the mounts, with every capability dropped: what runs there could
not undo a mount even if it were root there. user_namespaces(7), capabilities(7).
"""

import os

from AgentOperatingSystem.tools.sandbox.cage import libc

INNER_ID = 65_534  # `nobody`, as the program sees itself
SPARE_IDS = 1 << 16
_FLAGS = (
    libc.CLONE_NEWNS
    | libc.CLONE_NEWPID
    | libc.CLONE_NEWNET
    | libc.CLONE_NEWIPC
    | libc.CLONE_NEWUTS
    | libc.CLONE_NEWCGROUP
)


def enter_namespaces() -> None:
    """Mounts, processes, network, System V IPC, host name and control groups of its own; children are in there."""
    if libc.is_capable(libc.CAP_SYS_ADMIN):
        libc.unshare(_FLAGS)
        return
    if os.geteuid() == 0:
        _become(draw_spare_id())
    uid, gid = os.geteuid(), os.getegid()
    libc.unshare(libc.CLONE_NEWUSER)
    own = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    _map_ids(own, (uid, uid), (gid, gid))
    os.close(own)
    libc.unshare(_FLAGS)


def leave_privileges(own: int, spare: int) -> None:
    """The last steps, in the finished file system; `own` is the process's folder in the host's /proc, opened before.

    Afterwards the process has no capability in any namespace and cannot get one.
    """
    if os.geteuid() == 0:
        _become(spare)
    uid, gid = os.geteuid(), os.getegid()
    libc.unshare(libc.CLONE_NEWUSER)
    _map_ids(own, (INNER_ID, uid), (INNER_ID, gid))
    libc.prctl(libc.PR_SET_DUMPABLE, 0)
    libc.drop_capabilities()


def draw_spare_id() -> int:
    """An id that nobody else has, drawn anew for every cage: two cages of root are not even the same user."""
    with open("/proc/self/uid_map") as mapped:
        return spare_id(mapped.read(), int.from_bytes(os.urandom(4), "big"))


def spare_id(id_map: str, choice: int) -> int:
    """One of the highest ids of the largest mapped range, for systems and containers hand out theirs from below."""
    ranges = [(int(size), int(first)) for first, _, size in (line.split() for line in id_map.splitlines())]
    size, first = max(ranges)
    top = min(first + size, 1 << 31) - 1
    return top - choice % max(1, min(SPARE_IDS, size // 2))


def _become(user: int) -> None:
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:
        raise OSError(error.errno, f"becoming user {user}: {error.strerror}") from None


def _map_ids(own: int, user: tuple[int, int], group: tuple[int, int]) -> None:
    libc.prctl(libc.PR_SET_DUMPABLE, 1)  # after a change of user the files below /proc/self are root's
    _write(own, "setgroups", "deny")
    _write(own, "gid_map", f"{group[0]} {group[1]} 1")
    _write(own, "uid_map", f"{user[0]} {user[1]} 1")


def _write(own: int, name: str, text: str) -> None:
    descriptor = os.open(name, os.O_WRONLY, dir_fd=own)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
