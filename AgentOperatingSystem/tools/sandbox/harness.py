"""Runs a model's program in a folder of its own and brings back the files that it left there.

`run_python` calls it with a sandbox. The same harness runs in the cage and in a cloud's session: it is a part of the
program, written by us, around the model's part.
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from AgentOperatingSystem.tools.sandbox.records import KIB, ExitReason, Sandbox, SandboxResult

FILES_MAX = 32
FILES_BYTES_MAX = 48 * KIB
OUTPUT_BYTES_MAX = 128 * KIB
"""All that one program may answer: what it prints, its result, its files."""


class Left(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that a program left; its content was chosen by the program."""

    name: str
    """Below the program's folder, with `/` between the parts."""
    size_bytes: int
    text: str | None = None
    """Its content where that is UTF-8; None where it is not, or was too large to bring back."""
    base64: str | None = None
    """Its content where that is no text."""

    def content(self) -> bytes | None:
        """The bytes, or None where the file was too large to bring back."""
        if self.text is not None:
            return self.text.encode()
        return base64.b64decode(self.base64) if self.base64 is not None else None


class ProgramRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One program, and what came of it."""

    code: str
    reason: ExitReason
    stdout: str = ""
    stderr: str = ""
    result: Any = None
    """The value of the program's variable `result`."""
    files: tuple[Left, ...] = ()
    """At most 32 files, with 48 KiB of content together; of a program that failed, none."""
    duration_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the program came to its end without an error."""
        return self.reason is ExitReason.DONE


async def run_program(sandbox: Sandbox, code: str, timeout_seconds: float) -> ProgramRun:
    """Runs `code` as `__main__`, in an empty folder. Raises as `Sandbox.run` does."""
    inputs = {"code": code, "files_max": FILES_MAX, "bytes_max": FILES_BYTES_MAX}
    told = await sandbox.run(HARNESS, inputs=inputs, timeout_seconds=timeout_seconds, output_bytes_max=OUTPUT_BYTES_MAX)
    return _run_of(code, told)


def _run_of(code: str, told: SandboxResult) -> ProgramRun:
    """The program can leave anything where the harness answers; what does not fit makes it an error."""
    reason, result, files = told.reason, None, tuple[Left, ...]()
    if told.ok:
        try:
            answer: Mapping[str, Any] = told.result
            result, files = answer["result"], msgspec.convert(answer["files"], tuple[Left, ...])
        except (TypeError, KeyError, msgspec.ValidationError):
            reason = ExitReason.ERROR
    return ProgramRun(
        code=code,
        reason=reason,
        stdout=told.stdout,
        stderr=told.stderr,
        result=result,
        files=files,
        duration_seconds=told.duration_seconds,
    )


HARNESS = """
def _harness(asked):
    import linecache, os, sys, tempfile, types

    name, code, before = "<program>", asked["code"], os.getcwd()
    folder = tempfile.mkdtemp()
    module, former = types.ModuleType("__main__"), sys.modules["__main__"]
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    sys.modules["__main__"] = module
    os.chdir(folder)
    try:
        exec(compile(code, name, "exec"), module.__dict__)
    except SystemExit as ending:
        if ending.code not in (None, 0):
            raise
    except MemoryError:
        raise
    except BaseException as error:
        import traceback

        trace = error.__traceback__
        traceback.print_exception(type(error), error, trace.tb_next if trace else None)
        raise SystemExit(1) from None
    finally:
        os.chdir(before)
        sys.modules["__main__"] = former
    return {"result": module.__dict__.get("result"), "files": _files(folder, asked["files_max"], asked["bytes_max"])}


def _files(folder, files_max, left):
    import base64, os

    found = []
    paths = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names)
    for path in [path for path in paths if os.path.isfile(path) and not os.path.islink(path)][:files_max]:
        size = os.path.getsize(path)
        told = {"name": os.path.relpath(path, folder), "size_bytes": size}
        if size <= left:
            left -= size
            with open(path, "rb") as file:
                content = file.read()
            try:
                told["text"] = content.decode()
            except UnicodeDecodeError:
                told["base64"] = base64.b64encode(content).decode()
        found.append(told)
    return found


result = _harness(inputs)
"""
"""Its frames are not in the program's tracebacks; `result` that is no JSON is refused by the sandbox, as ever."""
