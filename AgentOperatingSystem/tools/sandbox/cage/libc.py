"""The system calls that Python 3.11 has no function for, by ctypes. Each raises `OSError` with the call's name."""

import ctypes
import os

CLONE_NEWNS = 0x0002_0000
CLONE_NEWCGROUP = 0x0200_0000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000
CLONE_NEWNET = 0x4000_0000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x4_0000
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

CAP_SYS_ADMIN = 21
_CAPABILITY_VERSION_3 = 0x2008_0522

_libc = ctypes.CDLL(None, use_errno=True)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def unshare(flags: int) -> None:
    """Moves the calling process into new namespaces."""
    _checked("unshare", _libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2)."""
    answer = _libc.mount(
        source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode() or None
    )
    _checked(f"mount {kind or source} on {target}", answer)


def unmount(target: str) -> None:
    """Takes the mount and all below it out of the tree, at once."""
    _checked(f"umount {target}", _libc.umount2(os.fsencode(target), MNT_DETACH))


def pivot_root(new_root: str, old_root: str) -> None:
    """Makes `new_root` the root of the calling process's mount namespace."""
    _checked("pivot_root", _libc.pivot_root(os.fsencode(new_root), os.fsencode(old_root)))


def prctl(option: int, argument: int = 0, pointer: ctypes.c_void_p | None = None) -> int:
    """prctl(2) with up to two arguments that matter."""
    arguments = (ctypes.c_ulong(argument), pointer or ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    return _checked(f"prctl {option}", _libc.prctl(ctypes.c_int(option), *arguments))


def set_host_name(name: str) -> None:
    """Names the machine within its own UTS namespace."""
    _checked("sethostname", _libc.sethostname(name.encode(), ctypes.c_size_t(len(name))))


def is_capable(capability: int) -> bool:
    """Whether the capability is effective now."""
    data = (_CapData * 2)()
    _checked("capget", _libc.capget(ctypes.byref(_CapHeader(_CAPABILITY_VERSION_3, 0)), data))
    return bool(data[capability // 32].effective >> capability % 32 & 1)


def drop_capabilities() -> None:
    """Gives up every capability, and the ways to get one back."""
    capability = 0
    while _libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability)) == 0:
        capability += 1
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    _checked("capset", _libc.capset(ctypes.byref(_CapHeader(_CAPABILITY_VERSION_3, 0)), (_CapData * 2)()))
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def _checked(what: str, answer: int) -> int:
    if answer == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return answer
