"""What this process uses, as metrics: CPU time, memory, and messages that wait (specification row 217).

Taken when somebody asks: at a scrape of `/metrics`, and at each look of the alert rules. Tokens are counted where they
are used, as `model_tokens_total`. Names as the Prometheus documentation has them, "Writing client libraries",
"Process metrics".
"""

import resource
import sys
import time
from pathlib import Path
from typing import Final

from AgentOperatingSystem.observability import metrics

CPU: Final = "process.cpu.seconds"
MEMORY: Final = "process.resident.memory.bytes"
QUEUE: Final = "aos.queue.depth"
_STATM: Final = Path("/proc/self/statm")
_counted = 0.0

metrics.describe(f"{CPU}", "CPU time that this process has used, in seconds, user and system.")
metrics.describe(
    MEMORY, "Resident memory of this process in bytes; the most that it ever had, where there is no /proc."
)
metrics.describe(QUEUE, "Messages that wait for a turn at this host's broker, or are in one.")


def sample_resources(queue_depth: int) -> None:
    """Brings the metrics up to date."""
    global _counted
    used = time.process_time()
    metrics.increment(CPU, max(0.0, used - _counted))
    _counted = used
    metrics.gauge(MEMORY, resident_bytes())
    metrics.gauge(QUEUE, queue_depth)


def resident_bytes() -> int:
    """The memory of this process that lies in RAM."""
    try:
        return int(_STATM.read_bytes().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
