"""The program that a new sandbox runs first: a legitimate one that also tries the doors.

A cage is used only if this program does its work there and finds every door shut: so a kernel or a container that
ignores a part of the isolation is found out before a stranger's program is.
"""

from collections.abc import Sequence

from AgentOperatingSystem.errors import SandboxUnavailable
from AgentOperatingSystem.tools.sandbox.cage.request import Request, View
from AgentOperatingSystem.tools.sandbox.records import KIB, MIB, ExitReason, SandboxResult

SECONDS_MAX = 20.0  # a first start from a cold disk
EXPECTED_SUM = 4950
CODE = """
import ctypes, ctypes.util, hashlib, json, os, socket, sqlite3, tempfile, threading

open_doors = []

def closed(name, attempt):
    try:
        attempt()
    except OSError:
        return
    open_doors.append(name)

libc = ctypes.CDLL(None, use_errno=True)
closed("host files", lambda: os.stat("/etc"))
closed("proc", lambda: os.stat("/proc/self"))
closed("internet sockets", lambda: socket.socket(socket.AF_INET))
closed("netlink sockets", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
closed("other processes", os.fork)
closed("other programs", lambda: os.execv("/bin/sh", ["sh"]) )
closed("root folder", lambda: os.mkdir("/new"))
if set(os.listdir("/")) - {"dev", "lib", "lib64", "packages", "tmp", "usr", *inputs["roots"]}:
    open_doors.append("root folder shows " + " ".join(os.listdir("/")))
if libc.unshare(0x10000000) == 0 or libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
    open_doors.append("namespaces")
if libc.prctl(39, 0, 0, 0, 0) != 1 or libc.prctl(21, 0, 0, 0, 0) != 2:
    open_doors.append("no_new_privs and seccomp")
if libc.prctl(23, 21, 0, 0, 0) != 0 or os.getuid() != 65534 or os.getpid() != 2:
    open_doors.append("identity")
if os.uname().nodename != "cage" or os.getpgrp() != 2:
    open_doors.append("host name and process group")

total = []
thread = threading.Thread(target=lambda: total.append(sum(range(100))))
thread.start()
thread.join()
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("kept")
    file.flush()
    assert open(file.name).read() == "kept"
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
result = {"open": open_doors, "sum": total[0]}
"""


def request_for(view: View) -> Request:
    """The self-test as an ordinary request."""
    return Request(
        code=CODE,
        inputs={"roots": _roots(view)},
        view=view,
        timeout_seconds=SECONDS_MAX,
        memory_bytes_max=256 * MIB,
        output_bytes_max=64 * KIB,
        scratch_bytes_max=MIB,
        file_bytes_max=MIB,
        threads_max=4,
    )


def judge(told: SandboxResult) -> None:
    """Raises `SandboxUnavailable` unless the program did its work and found every door shut."""
    if told.reason is not ExitReason.DONE:
        raise SandboxUnavailable(f"sandbox: the self-test ended with {told.reason}: {told.stderr[-500:].strip()}")
    if told.result["open"] or told.result["sum"] != EXPECTED_SUM:
        raise SandboxUnavailable(f"sandbox: the self-test got out of its cage: {', '.join(told.result['open'])}")


def _roots(view: View) -> Sequence[str]:
    """The first parts of the paths that a program sees, such as `usr`."""
    paths = [*view.folders, *(target for _, target in view.files)]
    return sorted({path.split("/")[1] for path in paths})
