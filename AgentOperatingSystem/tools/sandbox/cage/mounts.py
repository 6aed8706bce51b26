"""The file system of a cage: an empty tmpfs with a read-only view of one Python installation, and a scratch folder.

    /<stdlib>, /<libraries>   read-only, at their own paths, so that modules and the dynamic linker find them
    /packages/…               read-only, what was granted
    /tmp                      the only place that can be written; bounded; gone with the cage
    /dev/{null,zero,urandom}

There is no /proc, /sys, /etc, /home and no program that could be started. The host's file tree is not hidden but gone:
after pivot_root it is detached, and no descriptor into it is left open.
"""

import os
from functools import reduce
from operator import or_

from AgentOperatingSystem.tools.sandbox.cage import libc
from AgentOperatingSystem.tools.sandbox.cage.request import View

DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
LINKS = ("lib", "lib64", "usr/lib64")
_FILES_MAX = 4096
_SEALED = libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV
_KEPT = ((os.ST_NOEXEC, libc.MS_NOEXEC), (os.ST_NOSUID, libc.MS_NOSUID), (os.ST_NODEV, libc.MS_NODEV))
_TIMES = ((1024, 1024), (2048, 2048), (4096, 1 << 21))  # ST_… to MS_…: noatime, nodiratime, relatime
STAGE = "/proc"
"""Where the new tree is put together: a folder that every Linux has and that no Python is installed in."""


def build(view: View, scratch_bytes: int) -> None:
    """Makes the tree and moves into it. Raises `OSError`."""
    libc.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE)
    libc.mount("tmpfs", STAGE, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "mode=0755,size=1m,nr_inodes=2048")
    _link_libraries()
    for folder in view.folders:
        _bind(folder, STAGE + folder)
    for folder in view.hidden:
        libc.mount("tmpfs", STAGE + folder, "tmpfs", _SEALED, "mode=0755,size=4k,nr_inodes=1")
    for source, target in view.files:
        _bind_library(source, target)
    for package in view.packages:
        _bind(package, f"{STAGE}/packages/{os.path.basename(package)}")
    for device in DEVICES:
        _bind(device, STAGE + device, libc.MS_RDONLY | libc.MS_NOSUID)
    _make_scratch(scratch_bytes)
    _move_in()


def _link_libraries() -> None:
    """All places where a dynamic linker looks by itself are one folder."""
    os.makedirs(f"{STAGE}/usr/lib")
    for link in LINKS:
        os.symlink("/usr/lib" if "/" not in link else "lib", f"{STAGE}/{link}")


def _bind_library(source: str, target: str) -> None:
    """The library at the path that it was found at, and by its name where the dynamic linker looks."""
    _bind(source, STAGE + target)
    link = f"{STAGE}/usr/lib/{os.path.basename(target)}"
    if not os.path.lexists(link):
        os.symlink(target, link)


def _bind(source: str, target: str, flags: int = _SEALED) -> None:
    """A read-only look at one folder or file."""
    target = _inside(target)
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o444))
    libc.mount(source, target, "", libc.MS_BIND)
    libc.mount("none", target, "", libc.MS_REMOUNT | libc.MS_BIND | flags | _locked(source))


def _inside(target: str) -> str:
    """The links of the new tree point at places within it; here they must not lead back into the host's."""
    for link in LINKS:
        if target.startswith(f"{STAGE}/{link}/"):
            return f"{STAGE}/usr/lib{target.removeprefix(f'{STAGE}/{link}')}"
    return target


def _locked(source: str) -> int:
    """What the source's own mount forbids stays forbidden; an ordinary user's remount must say so again."""
    have = os.statvfs(source).f_flag
    return reduce(or_, (flag for stat, flag in (*_KEPT, *_TIMES) if have & stat), 0)


def _make_scratch(size_bytes: int) -> None:
    os.makedirs(f"{STAGE}/tmp")
    flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    libc.mount("tmpfs", f"{STAGE}/tmp", "tmpfs", flags, f"mode=1777,size={size_bytes},nr_inodes={_FILES_MAX}")


def _move_in() -> None:
    """From here on the host's files have no path; the new root is sealed."""
    os.chdir(STAGE)
    libc.pivot_root(".", ".")
    libc.unmount(".")
    os.chdir("/tmp")
    libc.mount("none", "/", "", libc.MS_REMOUNT | libc.MS_BIND | _SEALED)
