"""Process 2 of a cage: limits itself, shuts the door behind itself, and becomes the model's program.

Nothing of value is in this process: it was started with an empty environment, and the only descriptors left are its
own three pipes. `inputs` is a variable of the program; the value of `result` at its end is what it answers, as JSON.
"""

import fcntl
import importlib
import json
import linecache
import os
import signal
import sys
from types import ModuleType
from typing import TextIO

from AgentOperatingSystem.tools.sandbox.cage import limits, seccomp
from AgentOperatingSystem.tools.sandbox.cage.report import MEMORY_EXIT
from AgentOperatingSystem.tools.sandbox.cage.request import Request

FILE_NAME = "<program>"
ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",  # an arena for every thread would use up the address space
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "",
    "TMPDIR": "/tmp",
}
RESULT, READY = 3, 4
_SPARE_DESCRIPTOR = 100
_DESCRIPTORS_MAX = 1 << 16


def become(request: Request, stdout: int, stderr: int, result: int, ready: int) -> None:
    """Never comes back: ends with `SystemExit`, so that the interpreter ends as after any program."""
    _keep_only(os.open("/dev/null", os.O_RDONLY), stdout, stderr, result, ready)
    try:
        _forget_the_host(request)
        limits.apply(request)
        seccomp.install()
    except Exception as error:
        os.write(2, repr(error).encode())
        os._exit(1)
    os.write(READY, b"1")  # from here on the code is the model's
    os.close(READY)
    sys.exit(_run(request))


def _keep_only(*descriptors: int) -> None:
    """These become 0, 1, 2 …; every other one is closed."""
    spare = [fcntl.fcntl(each, fcntl.F_DUPFD, _SPARE_DESCRIPTOR) for each in descriptors]
    for target, each in enumerate(spare):
        os.dup2(each, target, inheritable=False)
    os.closerange(len(spare), _DESCRIPTORS_MAX)


def _forget_the_host(request: Request) -> None:
    """The interpreter looks like one that was started for the program."""
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    sys.argv[:] = sys.orig_argv[:] = [FILE_NAME]
    sys.path[:] = request.view.path
    sys.path_importer_cache.clear()
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.partition(".")[0] == "AgentOperatingSystem"]:
        del sys.modules[name]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        setattr(sys, name, _text(descriptor))
        setattr(sys, f"__{name}__", _text(descriptor))


def _text(descriptor: int) -> TextIO:
    """Every line leaves at once, so that a program that is stopped has said what it had to say."""
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _run(request: Request) -> int:
    """The program's exit code. What it raises goes to its standard error, without our own frames."""
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    module.__dict__["inputs"] = request.inputs
    linecache.cache[FILE_NAME] = (len(request.code), None, request.code.splitlines(keepends=True), FILE_NAME)
    try:
        exec(compile(request.code, FILE_NAME, "exec"), module.__dict__)
        if (result := module.__dict__.get("result")) is not None:
            _answer(result)
    except SystemExit:
        raise
    except BaseException as error:
        import traceback  # only now: it costs more than all the rest

        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace.tb_next if trace else None)
        return MEMORY_EXIT if isinstance(error, MemoryError) else 1
    return 0


def _answer(result: object) -> None:
    try:
        content = json.dumps(result, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise TypeError(f"`result` is not JSON: {error}") from None
    while content:
        content = content[os.write(RESULT, content) :]
