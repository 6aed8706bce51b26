"""What a program may use, as resource limits of its process. setrlimit(2).

There is one process: the system call filter lets it start threads but no other process. So the limit of its address
space is the limit of its memory, on every machine and without a control group.
"""

import resource

from AgentOperatingSystem.tools.sandbox.cage.request import Request

DESCRIPTORS_MAX = 64
STACK_BYTES_MAX = 8 << 20


def apply(request: Request) -> None:
    """Sets every limit, hard and soft alike: none can be raised again."""
    for limit, value in limits_of(request).items():
        resource.setrlimit(limit, (value, value))


def limits_of(request: Request) -> dict[int, int]:
    """Resource to value."""
    return {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_SIGPENDING: 256,
        resource.RLIMIT_STACK: STACK_BYTES_MAX,
        resource.RLIMIT_NOFILE: DESCRIPTORS_MAX,
        resource.RLIMIT_FSIZE: request.file_bytes_max,
        resource.RLIMIT_NPROC: request.threads_max + 1,  # process 1 counts
        resource.RLIMIT_AS: request.memory_bytes_max,
    }
