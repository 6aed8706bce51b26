"""The first process of a cage. It has the host's rights for as long as it takes to give them up."""

import os
import signal

from AgentOperatingSystem.tools.sandbox.cage import (
    control_groups,
    identity,
    libc,
    mounts,
    program,
    report,
    request,
    seccomp,
)
from AgentOperatingSystem.tools.sandbox.cage.supervisor import Child, Supervisor

HOST_NAME = "cage"
REPORT = 1


def main() -> None:
    """Reads one request, runs it as process 1 of new namespaces, and ends when that has ended."""
    asked = request.read(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        control_groups.join(asked.control_groups)
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")  # when the machine runs out of memory, the cage goes first
        identity.enter_namespaces()
        ours, theirs = os.pipe()  # what process 1 has of this process: an end that closes when this one dies
        child = os.fork()
    except OSError as error:
        return _say(report.Report(reason="unavailable", unavailable=str(error)))
    if child:
        signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, signal.SIGKILL))
        os.close(ours)
        os.close(REPORT)  # so that the host sees the end when process 1 ends
        os.waitpid(child, 0)
        return None
    os.close(theirs)
    return _be_process_one(asked, ours)


def _be_process_one(asked: request.Request, launcher: int) -> None:
    try:
        confine(asked)
        child = _start(asked)
        seccomp.install()
    except OSError as error:
        _say(report.Report(reason="unavailable", unavailable=str(error)))
        os._exit(1)
    _say(Supervisor(child, asked, launcher).run())
    os._exit(0)


def confine(asked: request.Request) -> None:
    """From a process with the host's files and some rights to one with neither."""
    os.setsid()  # signals to a process group stay in the cage
    libc.set_host_name(HOST_NAME)
    own = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    spare = identity.draw_spare_id()
    mounts.build(asked.view, asked.scratch_bytes_max)
    identity.leave_privileges(own, spare)
    os.close(own)
    libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)  # becoming another user forgets an earlier one


def _start(asked: request.Request) -> Child:
    """Forks the program, and waits until it has shut itself in. In the program's process, this never returns."""
    pipes = [os.pipe() for _ in range(4)]
    pid = os.fork()
    if pid == 0:
        os.setsid()
        program.become(asked, *(write for _, write in pipes))
    for _, write in pipes:
        os.close(write)
    stdout, stderr, result, ready = (read for read, _ in pipes)
    if os.read(ready, 1) != b"1":
        raise OSError(f"the program could not be confined: {os.read(stderr, 4096).decode(errors='replace')}")
    os.close(ready)
    return Child(pid, os.pidfd_open(pid), stdout, stderr, result)


def _say(said: report.Report) -> None:
    content = report.encode(said)
    while content:
        content = content[os.write(REPORT, content) :]
