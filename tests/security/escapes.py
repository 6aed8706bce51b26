"""The escape attempts, each beside a legitimate program of the same kind: what runs, and what is to come of it.

An attack leaves in `result` what it got hold of; `contained` looks at that. `inputs` names what lies outside: a file,
a process, sockets, a port. Standard library and our own package only: the ordinary user's Python has no more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from AgentOperatingSystem.tools.sandbox.records import MIB, ExitReason, SandboxResult

PRELUDE = """
import ctypes, os, signal, socket, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action):
    try:
        got = action()
    except BaseException as error:
        return "shut: " + type(error).__name__
    return "open: " + repr(got)[:200]
def call(name, *arguments):
    answer = getattr(libc, name)(*arguments)
    return "open" if answer != -1 else "shut: " + os.strerror(ctypes.get_errno())
"""

Check = Callable[[SandboxResult], bool]


@dataclass(frozen=True)
class Case:
    """One kind of program: how it attacks, and how it is used honestly."""

    name: str
    attack: str
    legitimate: str
    expected: Any
    contained: Check
    options: dict[str, Any] = field(default_factory=dict)


def all_shut(told: SandboxResult) -> bool:
    """It ran to its end, and each of its attempts failed."""
    attempts = told.result if isinstance(told.result, list) else [told.result]
    return told.ok and bool(attempts) and all(str(each).startswith("shut") for each in attempts)


def ended(*reasons: ExitReason) -> Check:
    """It was ended, for one of these reasons."""
    return lambda told: told.reason in reasons


def left(expected: Any) -> Check:
    """It ran to its end with this result: it saw no more than any program does."""
    return lambda told: told.ok and told.result == expected


SECRETS = [
    Case(
        "environment",
        'result = sorted(os.environ) + [key for key in os.environb if b"CANARY" in key]',
        'os.environ["ANSWER"] = "42"; result = os.environ["ANSWER"]',
        "42",
        left(["HOME", "LANG", "MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PATH", "TMPDIR"]),
    ),
    Case(
        "environment below Python",
        """
pointer = ctypes.cast(ctypes.c_void_p.in_dll(libc, "environ"), ctypes.POINTER(ctypes.c_char_p))
seen = []
while pointer[len(seen)]:
    seen.append(pointer[len(seen)].decode())
result = [each for each in seen if "CANARY" in each]
""",
        'result = libc.strlen(b"seven c")',
        7,
        left([]),
    ),
    Case(
        "memory of the interpreter",
        """
import gc
word = "CAN" + "ARY"
frames, frame = [], sys._getframe()
while frame:
    frames.append(frame.f_locals); frame = frame.f_back
texts = [repr(each) for each in frames] + [each for each in gc.get_objects() if type(each) is str]
result = [text for text in texts if word + "_VALUE" in text]
""",
        "import gc; gc.collect(); result = len(gc.get_objects()) > 0",
        True,
        left([]),
    ),
    Case(
        "home folders",
        """
result = [attempt(lambda: open(inputs["file"]).read())]
result += [attempt(lambda: os.listdir(place)) for place in ("/home", "/work", "/opt", "/var", "/run", "/mnt")]
result += [attempt(lambda: open(place).read()) for place in ("/root/.bashrc", "/root/.ssh/id_rsa", "/root/.profile")]
""",
        'open(os.path.expanduser("~/note"), "w").write("kept"); result = open("/tmp/note").read()',
        "kept",
        all_shut,
    ),
    Case(
        "system files",
        'result = [attempt(lambda: open(f).read()) for f in ("/etc/shadow", "/etc/passwd", "/etc/hostname", "/boot")]',
        "result = open(os.__file__).read(3)",
        'r""',
        all_shut,
    ),
    Case(
        "another tenant's files",
        """
time.sleep(0.3)
result = [each for each in os.listdir("/tmp")] + [attempt(lambda: open("/tmp/tenant-secret").read())]
""",
        'open("/tmp/mine", "w").write("mine"); result = os.listdir("/tmp")',
        ["mine"],
        left(["shut: FileNotFoundError"]),
    ),
    Case(
        "inherited descriptors",
        """
import stat
result = []
for descriptor in range(4096):
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        continue
    kind = "pipe" if stat.S_ISFIFO(mode) else "null" if os.fstat(descriptor).st_rdev == 0x103 else oct(mode)
    result.append([descriptor, kind])
""",
        """
read, write = os.pipe()
os.write(write, b"through")
result = os.read(read, 10).decode()
""",
        "through",
        left([[0, "null"], [1, "pipe"], [2, "pipe"], [3, "pipe"]]),
    ),
    Case(
        "folders through descriptors",
        """
result = [attempt(lambda: os.open("etc/passwd", os.O_RDONLY, dir_fd=each)) for each in range(64)]
result += [attempt(lambda: os.open("/dev/fd/0/../../etc/passwd", os.O_RDONLY))]
""",
        """
folder = os.open("/tmp", os.O_RDONLY)
os.close(os.open("by", os.O_CREAT, 0o600, dir_fd=folder)); result = os.listdir(folder)
""",
        ["by"],
        all_shut,
    ),
    Case(
        "host site packages",
        """
sys.path[:0] = inputs["site_packages"]
result = [attempt(lambda: __import__(name)) for name in ("pydantic", "httpx2", "pytest", "pip", "AgentOperatingSystem")]
""",
        "import decimal, email, sqlite3, ssl, zoneinfo; result = str(decimal.Decimal(1) / 4)",
        "0.25",
        all_shut,
    ),
]

FILES = [
    Case(
        "paths that climb",
        """
paths = ["../" * 40 + "etc/passwd", "/tmp/../../../etc/passwd", "/proc/self/root/etc/passwd", "/tmp/./../etc/passwd"]
result = [attempt(lambda: open(path).read()) for path in paths]
""",
        'os.mkdir("a"); open("a/../b", "w").write("here"); result = open("./a/../b").read()',
        "here",
        all_shut,
    ),
    Case(
        "symlink race",
        """
os.symlink("/etc/passwd", "link"); open("file", "w").close()
stop, caught = time.monotonic() + 0.4, []
def swap():
    while time.monotonic() < stop:
        for target in ("/etc/passwd", "/tmp/file", "/root", inputs["file"]):
            try:
                os.symlink(target, "next"); os.replace("next", "link")
            except OSError:
                pass
threading.Thread(target=swap).start()
while time.monotonic() < stop:
    try:
        caught.append(open("link").read())
    except OSError:
        pass
result = sorted(set(caught))
""",
        'os.symlink("/tmp/real", "alias"); open("alias", "w").write("reached"); result = open("real").read()',
        "reached",
        lambda told: told.ok and set(told.result) <= {""},
    ),
    Case(
        "hard links to the outside",
        'result = [attempt(lambda: os.link(each, "/tmp/x")) for each in (inputs["file"], os.__file__)]',
        'open("one", "w").write("1"); os.link("one", "two"); result = os.stat("two").st_nlink',
        2,
        all_shut,
    ),
    Case(
        "changing the standard library",
        """
result = [attempt(lambda: open(os.__file__, "a")), attempt(lambda: os.unlink(os.__file__)),
          attempt(lambda: os.chmod(os.__file__, 0o777)),
          attempt(lambda: open(os.path.dirname(os.__file__) + "/x", "w")),
          attempt(lambda: os.rename(os.__file__, "/tmp/os.py")), attempt(lambda: os.truncate(os.__file__, 0))]
""",
        'open("mine.py", "w").write("value = 5"); sys.path.append("/tmp"); import mine; result = mine.value',
        5,
        all_shut,
    ),
    Case(
        "removing everything",
        """
import shutil
shutil.rmtree("/", ignore_errors=True)
result = attempt(lambda: open(os.__file__).read(1) and 1 / 0)
""",
        'import shutil; os.makedirs("a/b"); shutil.rmtree("a"); result = os.listdir("/tmp")',
        [],
        left("shut: ZeroDivisionError"),
    ),
    Case(
        "writing outside of scratch",
        """
places = ["/x", "/usr/x", "/dev/x", "/lib/x", "/packages/x", os.path.dirname(sys.executable) + "/x", "/var/tmp/x"]
result = [attempt(lambda: open(place, "w")) for place in places] + [attempt(lambda: os.mkdir("/etc"))]
""",
        'result = open("/tmp/x", "w").write("four")',
        4,
        all_shut,
    ),
    Case(
        "device nodes",
        """
import stat
result = [attempt(lambda: os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0))),
          attempt(lambda: os.mknod("/tmp/memory", 0o600 | stat.S_IFCHR, os.makedev(1, 1)))]
result += [attempt(lambda: open(f"/dev/{name}", "rb")) for name in ("mem", "kmsg", "sda", "vda", "tty", "ptmx", "kvm")]
""",
        'result = [open("/dev/zero", "rb").read(2) == bytes(2), len(open("/dev/urandom", "rb").read(8))]',
        [True, 8],
        all_shut,
    ),
    Case(
        "typing into a terminal",
        'import fcntl; result = [attempt(lambda: fcntl.ioctl(each, 0x5412, b"x")) for each in range(4)]',
        "result = [os.isatty(each) for each in range(4)]",
        [False, False, False, False],
        all_shut,
    ),
    Case(
        "a huge file",
        """
file = open("/tmp/huge", "wb")
def grow():
    while True:
        file.write(bytes(1 << 20)); file.flush()
result = [attempt(grow), attempt(lambda: os.truncate("/tmp/huge", 1 << 40)),
          attempt(lambda: os.posix_fallocate(file.fileno(), 0, 1 << 36))]
""",
        'open("large", "wb").write(bytes(1 << 20)); result = os.stat("large").st_size',
        1 << 20,
        all_shut,
    ),
    Case(
        "filling the scratch folder",
        """
def fill():
    for number in range(10_000):
        open(f"/tmp/{number}", "wb").write(bytes(8 << 20))
result = [attempt(fill)]
""",
        'for number in range(20): open(str(number), "w").write("x")\nresult = len(os.listdir("."))',
        20,
        all_shut,
    ),
    Case(
        "millions of files",
        """
def create():
    for number in range(10_000_000):
        os.close(os.open(f"/tmp/{number}", os.O_CREAT))
result = [attempt(create)]
""",
        'for number in range(100): open(f"/tmp/{number}", "w").close()\nresult = len(os.listdir("/tmp"))',
        100,
        all_shut,
    ),
    Case(
        "descriptors without end",
        "kept = []\ndef collect():\n    while True: kept.append(os.pipe())\nresult = [attempt(collect)]",
        'files = [open("/dev/null") for _ in range(20)]; result = len({file.fileno() for file in files})',
        20,
        all_shut,
    ),
]

NETWORK = [
    Case(
        "metadata address",
        """
import urllib.request
result = [attempt(lambda: socket.create_connection((address, 80), 0.2)) for address in
          ("169.254.169.254", "168.63.129.16", "fd00:ec2::254", "100.100.100.200")]
result += [attempt(lambda: urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=0.2).read())]
""",
        'from urllib.parse import urlsplit; result = urlsplit("http://169.254.169.254/x").hostname',
        "169.254.169.254",
        all_shut,
    ),
    Case(
        "a service on the host's loopback",
        """
addresses = ["127.0.0.1", "localhost", "0.0.0.0", "::1", "127.1"]
result = [attempt(lambda: socket.create_connection((each, inputs["port"]), 0.2)) for each in addresses]
result += [attempt(lambda: socket.socket().connect(("127.0.0.1", inputs["port"])))]
""",
        'one, two = socket.socketpair(); one.send(b"across"); result = two.recv(10).decode()',
        "across",
        all_shut,
    ),
    Case(
        "names of the internet",
        'result = [attempt(lambda: socket.getaddrinfo(name, 80)) for name in ("example.com", "metadata.internal")]',
        'import ipaddress; result = str(ipaddress.ip_address("10.0.0.1") + 1)',
        "10.0.0.2",
        all_shut,
    ),
    Case(
        "other kinds of sockets",
        """
kinds = [socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, getattr(socket, "AF_VSOCK", 40), 38]
result = [attempt(lambda: socket.socket(kind, socket.SOCK_RAW)) for kind in kinds]
result += [attempt(lambda: socket.socket(kind, socket.SOCK_DGRAM)) for kind in kinds]
""",
        """
server = socket.socket(socket.AF_UNIX); server.bind("/tmp/own"); server.listen()
client = socket.socket(socket.AF_UNIX); client.connect("/tmp/own"); client.send(b"hello")
result = server.accept()[0].recv(10).decode()
""",
        "hello",
        all_shut,
    ),
    Case(
        "abstract unix sockets of the host",
        'result = attempt(lambda: socket.socket(socket.AF_UNIX).connect("\\0" + inputs["abstract"]))',
        """
server = socket.socket(socket.AF_UNIX); server.bind("\\0own"); server.listen()
client = socket.socket(socket.AF_UNIX); client.connect("\\0own"); result = "connected"
""",
        "connected",
        all_shut,
    ),
    Case(
        "unix sockets of the host",
        """
places = [inputs["socket"], "/run/docker.sock", "/var/run/docker.sock", "/run/systemd/private", "/dev/log"]
result = [attempt(lambda: socket.socket(socket.AF_UNIX).connect(place)) for place in places]
""",
        """
import asyncio
async def main():
    async def answer(reader, writer):
        writer.write(await reader.readline()); await writer.drain(); writer.close()
    async with await asyncio.start_unix_server(answer, "/tmp/echo"):
        reader, writer = await asyncio.open_unix_connection("/tmp/echo")
        writer.write(b"echo\\n"); line = await reader.read(); writer.close()
        return line.decode()
result = asyncio.run(main())
""",
        "echo\n",
        all_shut,
    ),
]

PROCESSES = [
    Case(
        "fork bomb",
        "def bomb():\n    while True: os.fork()\nresult = [attempt(bomb), attempt(os.forkpty), call('vfork')]",
        """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool: result = sum(pool.map(lambda n: n * n, range(50)))
""",
        40425,
        all_shut,
    ),
    Case(
        "a bomb of processes",
        """
import multiprocessing, subprocess
result = [attempt(lambda: multiprocessing.Process(target=print).start()),
          attempt(lambda: subprocess.run(["/bin/sh"])),
          attempt(lambda: subprocess.run([sys.executable, "-c", "1"])),
          attempt(lambda: os.posix_spawn("/x", ["x"], {}))]
""",
        "import runpy; open('p.py', 'w').write('v = 3'); result = runpy.run_path('p.py')['v']",
        3,
        all_shut,
    ),
    Case(
        "threads without end",
        """
def start():
    while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
result = [attempt(start), threading.active_count()]
""",
        """
threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(8)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]; result = len(threads)
""",
        8,
        lambda told: told.ok and told.result[0] == "shut: RuntimeError" and told.result[1] <= 32,
    ),
    Case(
        "programs from disk and memory",
        """
program = b"\\x7fELF" + bytes(200)
open("/tmp/program", "wb").write(program); os.chmod("/tmp/program", 0o755)
result = [attempt(lambda: os.execv("/tmp/program", ["x"])), attempt(lambda: os.memfd_create("x")),
          attempt(lambda: os.execv(sys.executable, ["python"])),
          attempt(lambda: os.execv("/lib64/ld-linux-x86-64.so.2", ["x"]))]
""",
        'scope = {}; exec(compile("made = 6 * 7", "made", "exec"), scope); result = scope["made"]',
        42,
        all_shut,
    ),
    Case(
        "signals to the outside",
        """
result = [attempt(lambda: os.kill(inputs["pid"], 9)), attempt(lambda: os.killpg(inputs["pid"], 9)),
          attempt(lambda: os.kill(-1, 9)), attempt(lambda: os.kill(inputs["parent"], 9))]
""",
        """
got = []
signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
os.kill(os.getpid(), signal.SIGUSR1); result = got == [signal.SIGUSR1]
""",
        True,
        all_shut,
    ),
    Case(
        "signals to the own group",
        "signal.signal(15, signal.SIG_IGN); os.kill(0, 15); os.killpg(0, 15); result = os.getpgrp()",
        "result = os.getpgrp() == os.getpid()",
        True,
        left(2),
    ),
    Case(
        "signals to the supervisor",
        """
for number in range(1, 65):
    try: os.kill(1, number)
    except OSError: pass
result = "shut: it lives, or nobody reads this"
""",
        "result = os.getppid()",
        1,
        all_shut,
    ),
    Case(
        "stopping the supervisor and staying",
        "os.kill(1, signal.SIGSTOP); os.close(1); os.close(2); os.close(3); time.sleep(3600)",
        "signal.alarm(60); signal.alarm(0); result = 'on'",
        "on",
        ended(ExitReason.DEADLINE),
        {"timeout_seconds": 0.6},
    ),
    Case(
        "limits of the supervisor",
        """
import resource
for limit in (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
    try: resource.prlimit(1, limit, (0, 0))
    except OSError: pass
time.sleep(3600)
""",
        "import resource; result = resource.getrlimit(resource.RLIMIT_CORE)[0]",
        0,
        ended(ExitReason.DEADLINE),
        {"timeout_seconds": 0.6},
    ),
    Case(
        "tracing and others' memory",
        """
result = [call("ptrace", 16, pid, 0, 0) for pid in (1, inputs["pid"], os.getppid())] + [call("ptrace", 0, 0, 0, 0)]
result += [call("process_vm_readv", pid, 0, 0, 0, 0, 0) for pid in (1, inputs["pid"])]
result += [call("process_vm_writev", pid, 0, 0, 0, 0, 0) for pid in (1, inputs["pid"])]
""",
        "import tracemalloc; tracemalloc.start(); x = [0] * 1000; result = tracemalloc.get_traced_memory()[0] > 0",
        True,
        all_shut,
    ),
    Case(
        "/proc",
        """
places = ["/proc/1/environ", "/proc/self/mem", "/proc/self/fd", "/proc/sys/kernel/core_pattern", "/proc/kcore", "/sys"]
result = [attempt(lambda: open(place)) for place in places] + [attempt(lambda: os.listdir("/proc"))]
result += [call("mount", b"proc", b"/tmp", b"proc", 0, None)]
""",
        "result = time.process_time() >= 0",
        True,
        all_shut,
    ),
    Case(
        "control groups",
        """
places = ["/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
result = [attempt(lambda: open(place, "w")) for place in places] + [call("mount", b"c", b"/tmp", b"cgroup2", 0, None)]
""",
        "result = os.cpu_count() > 0",
        True,
        all_shut,
    ),
]

RIGHTS = [
    Case(
        "mounts",
        """
result = [call("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None), call("mount", b"/", b"/tmp", None, 4096, None),
          call("mount", b"none", b"/", None, 32 | 4096, None), call("umount2", b"/tmp", 2), call("umount2", b"/", 2),
          call("pivot_root", b"/tmp", b"/tmp"), call("chroot", b"/tmp")]
""",
        'result = os.statvfs("/tmp").f_bsize > 0',
        True,
        all_shut,
    ),
    Case(
        "namespaces",
        """
flags = [0x10000000, 0x20000, 0x20000000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x10020000, 0x80]
result = [call("unshare", flag) for flag in flags] + [call("setns", each, 0) for each in range(4)]
result += [call("syscall", 56, flag | 17, 0, 0, 0, 0) for flag in flags] + [call("syscall", 435, 0, 0)]
""",
        "result = os.uname().nodename",
        "cage",
        all_shut,
    ),
    Case(
        "becoming somebody else",
        """
result = [attempt(lambda: os.setuid(0)), attempt(lambda: os.setgid(0)), attempt(lambda: os.setgroups([0])),
          attempt(lambda: os.setresuid(0, 0, 0)), call("setfsuid", 0) if libc.setfsuid(0) == 0 else "shut",
          attempt(lambda: os.chown("/tmp", 0, 0)), attempt(lambda: os.seteuid(1000))]
""",
        "result = [os.getuid(), os.getgid(), os.umask(0o77) >= 0]",
        [65534, 65534, True],
        all_shut,
    ),
    Case(
        "set-uid files",
        """
open("/tmp/s", "w").write("#!/bin/sh"); os.chmod("/tmp/s", 0o6755)
result = [attempt(lambda: os.execv("/tmp/s", ["s"])), attempt(lambda: os.execv("/usr/bin/su", ["su"])),
          attempt(lambda: os.execv("/usr/bin/sudo", ["sudo", "id"]))]
""",
        'open("/tmp/s", "w").close(); os.chmod("/tmp/s", 0o640); result = oct(os.stat("/tmp/s").st_mode & 0o777)',
        "0o640",
        all_shut,
    ),
    Case(
        "capabilities",
        """
header = (ctypes.c_uint32 * 2)(0x20080522, 0); every = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
result = [call("capset", header, every), call("prctl", 47, 2, 21, 0, 0), call("prctl", 28, 0, 0, 0, 0),
          call("prctl", 8, 1, 0, 0, 0), call("prctl", 4, 1, 0, 0, 0), call("prctl", 22, 0, 0, 0, 0)]
""",
        """
header = (ctypes.c_uint32 * 2)(0x20080522, 0); have = (ctypes.c_uint32 * 6)()
libc.capget(header, have); result = list(have)
""",
        [0, 0, 0, 0, 0, 0],
        all_shut,
    ),
    Case(
        "raising limits",
        """
import resource
names = ["AS", "NPROC", "NOFILE", "FSIZE", "CORE"]
infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
result = [attempt(lambda: resource.setrlimit(getattr(resource, "RLIMIT_" + name), infinite)) for name in names]
""",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)); result = resource.getrlimit(7)[0]",
        32,
        all_shut,
    ),
    Case(
        "the machine's clock, name and power",
        """
zeros = ctypes.create_string_buffer(512); zeros[0] = 1
result = [attempt(lambda: time.clock_settime(0, 0)), attempt(lambda: socket.sethostname("mine")),
          call("reboot", 0x1234567), call("settimeofday", zeros, None), call("sethostname", b"x", 1),
          call("adjtimex", zeros)]
""",
        "result = time.time() > 1_600_000_000 and socket.gethostname() == 'cage'",
        True,
        all_shut,
    ),
    Case(
        "the machine's processors",
        """
result = [attempt(lambda: os.sched_setaffinity(0, {0})), attempt(lambda: os.nice(-10)),
          attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
          attempt(lambda: os.setpriority(os.PRIO_USER, 0, 19))]
""",
        "result = len(os.sched_getaffinity(0)) > 0",
        True,
        all_shut,
    ),
    Case(
        "dangerous system calls",
        """
numbers = {"x86_64": [101, 103, 155, 165, 169, 172, 175, 179, 246, 248, 250, 272, 298, 304, 308, 310, 312, 313,
                      319, 320, 321, 323, 425, 426, 427, 428, 434, 438, 440, 442, 447, 310, 135, 154, 29, 64, 68, 240],
           "aarch64": [117, 116, 41, 40, 142, 105, 60, 104, 217, 219, 97, 241, 265, 268, 270, 272, 273, 279, 280, 282,
                       425, 426, 427, 428, 434, 438, 440, 442, 447, 92, 194, 190, 186, 180]}[os.uname().machine]
result = [call("syscall", number, 0, 0, 0, 0, 0, 0) for number in numbers]
""",
        'result = libc.syscall({"x86_64": 39, "aarch64": 172}[os.uname().machine]) == os.getpid()',
        True,
        all_shut,
    ),
    Case(
        "calls of another machine type",
        """
import mmap
codes = {"x86_64": bytes.fromhex("b814000000cd80c3"), "aarch64": bytes.fromhex("00000000")}  # getpid by int 0x80
page = mmap.mmap(-1, 4096, prot=7); page.write(codes[os.uname().machine])
result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
""",
        """
import mmap
codes = {"x86_64": bytes.fromhex("b82a000000c3"), "aarch64": bytes.fromhex("40058052c0035fd6")}  # return 42
page = mmap.mmap(-1, 4096, prot=7); page.write(codes[os.uname().machine])
result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
""",
        42,
        ended(ExitReason.SIGNAL),
    ),
    Case(
        "x32 numbers",
        """
numbers = [0x40000000 | number for number in (57, 59, 101, 165, 512, 520, 545)]
result = [call("syscall", ctypes.c_long(number), 0, 0, 0, 0, 0) for number in numbers]
""",
        "result = ctypes.sizeof(ctypes.c_void_p)",
        8,
        all_shut,
    ),
]

RESOURCES = [
    Case(
        "memory",
        "kept = []\nwhile True: kept.append(bytearray(8 << 20))",
        "result = len(bytearray(64 << 20))",
        64 << 20,
        ended(ExitReason.MEMORY),
    ),
    Case(
        "memory that is not Python's",
        """
import mmap
kept = []
def take():
    while True: kept.append(mmap.mmap(-1, 16 << 20))
result = [attempt(take), attempt(lambda: libc.malloc(ctypes.c_size_t(1 << 34)) == 1 or 1 / 0)]
""",
        "import mmap; page = mmap.mmap(-1, 1 << 20); page[:3] = b'abc'; result = page[:3].decode()",
        "abc",
        all_shut,
    ),
    Case(
        "memory outside of the process",
        """
from multiprocessing.shared_memory import SharedMemory
result = [attempt(lambda: os.memfd_create("m")), call("shmget", 1, ctypes.c_size_t(1 << 20), 0o1600),
          call("msgget", 1, 0o1600), call("semget", 1, 1, 0o1600), attempt(lambda: SharedMemory("x", True, 99))]
""",
        "import array; result = len(array.array('d', bytes(8000)))",
        1000,
        all_shut,
    ),
    Case(
        "an enormous number",
        "result = len(str(bin(1 << (1 << 40))))",
        "result = len(bin(1 << 5000))",
        5003,
        ended(ExitReason.MEMORY, ExitReason.ERROR),
    ),
    Case(
        "deep recursion",
        """
sys.setrecursionlimit(10**9)
class Deep:
    def __getattr__(self, name): return getattr(self, name + 'x')
Deep().x
""",
        "def depth(n): return n and 1 + depth(n - 1)\nresult = depth(500)",
        500,
        ended(ExitReason.SIGNAL, ExitReason.MEMORY, ExitReason.ERROR),
    ),
    Case(
        "a stack overflow below Python",
        """
sys.setrecursionlimit(10**9)
deep = ()
for _ in range(400_000): deep = (deep,)
hash(deep)
""",
        "import ast; result = ast.literal_eval('[[[1]]]')",
        [[[1]]],
        ended(ExitReason.SIGNAL, ExitReason.MEMORY, ExitReason.ERROR),
    ),
    Case(
        "a crash",
        "ctypes.string_at(0)",
        "try: 1 / 0\nexcept ZeroDivisionError as error: result = str(error)",
        "division by zero",
        ended(ExitReason.SIGNAL),
    ),
    Case(
        "an hour's sleep",
        "time.sleep(3600)",
        "time.sleep(0.01); result = 'awake'",
        "awake",
        ended(ExitReason.DEADLINE),
        {"timeout_seconds": 0.6},
    ),
    Case(
        "a busy loop",
        "while True: pass",
        "result = sum(range(100_000))",
        4999950000,
        ended(ExitReason.DEADLINE),
        {"timeout_seconds": 0.6},
    ),
    Case(
        "ignoring every signal",
        """
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True: time.sleep(3600)
""",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); os.kill(os.getpid(), 15); result = 'here'",
        "here",
        ended(ExitReason.DEADLINE),
        {"timeout_seconds": 0.6},
    ),
    Case(
        "not ending",
        """
import atexit
atexit.register(time.sleep, 3600)
threading.Thread(target=time.sleep, args=(3600,)).start()
sys.exit(0)
""",
        "import atexit; atexit.register(print, 'bye'); result = 'registered'",
        "registered",
        ended(ExitReason.DEADLINE),
        {"timeout_seconds": 0.6},
    ),
    Case(
        "one native call that never returns",
        "import re; re.match('(a*)*b', 'a' * 60)",
        "import re; result = re.match('(a*)b', 'aaab')[1]",
        "aaa",
        ended(ExitReason.DEADLINE),
        {"timeout_seconds": 0.6},
    ),
]

ANSWERS = [
    Case(
        "endless output",
        "while True: print('x' * 1000)",
        "print('x' * 1000); result = 'printed'",
        "printed",
        lambda told: told.reason is ExitReason.OUTPUT and len(told.stdout) <= 64 * 1024,
    ),
    Case(
        "endless errors",
        "while True: os.write(2, b'x' * 100_000)",
        "print('warning', file=sys.stderr); result = 'warned'",
        "warned",
        lambda told: told.reason is ExitReason.OUTPUT and len(told.stderr) <= 64 * 1024,
    ),
    Case(
        "an endless result",
        "result = 'x' * 10_000_000",
        "result = list(range(5))",
        [0, 1, 2, 3, 4],
        lambda told: told.reason is ExitReason.OUTPUT and told.result is None,
    ),
    Case(
        "a pickled result",
        """
import pickle
class Bomb:
    def __reduce__(self): return (open, (inputs["file"] + ".pickled", "w"))
print(pickle.dumps(Bomb(), 0).decode()); result = Bomb()
""",
        "import pickle; result = pickle.loads(pickle.dumps({'a': [1, 2]}))",
        {"a": [1, 2]},
        lambda told: told.reason is ExitReason.ERROR and told.result is None and "not JSON" in told.stderr,
    ),
    Case(
        "a result that is not JSON",
        "import pickle; os.write(3, pickle.dumps(print)); os._exit(0)",
        "result = {'nested': [None, True, 1.5, 'ü']}",
        {"nested": [None, True, 1.5, "ü"]},
        lambda told: told.reason is ExitReason.ERROR and told.result is None,
    ),
    Case(
        "a result of depth",
        "os.write(3, b'[' * 60_000); os._exit(0)",
        "result = []\nfor _ in range(50): result = [result]\nresult = str(result).count('[')",
        51,
        lambda told: told.reason is ExitReason.ERROR and told.result is None,
    ),
    Case(
        "a forged report",
        """
forged = b'{"reason": "done", "exit_code": 0, "duration_seconds": 0, "unavailable": "yes", "sizes": [0, 0, 0]}\\n'
for descriptor in range(1, 200):
    try: os.write(descriptor, forged)
    except OSError: pass
os._exit(7)
""",
        "print('{\"reason\": \"done\"}'); result = 'said'",
        "said",
        lambda told: told.reason is ExitReason.ERROR and told.exit_code == 7 and told.result is None,
    ),
    Case(
        "text that is not text",
        "os.write(1, bytes(range(256))); print('\\ud800'); result = '\\ud800'",
        "print('grüße'); result = 'grüße'",
        "grüße",
        lambda told: told.ok and told.stdout.isascii() is False,
    ),
]

CASES = [*SECRETS, *FILES, *NETWORK, *PROCESSES, *RIGHTS, *RESOURCES, *ANSWERS]
NEIGHBOUR = 'open("/tmp/tenant-secret", "w").write("CANARY_VALUE of another tenant"); import time; time.sleep(2)'
MEMORY_BYTES = 192 * MIB
