"""What this process has used so far, as the operating system tells it."""

import os
import sys
import time
from pathlib import Path


def cpu_seconds() -> float:
    """User and system time of all threads."""
    return time.process_time()


def resident_mebibytes() -> float | None:
    """Resident memory now; on macOS its peak, on Windows None: the standard library tells no more there."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
