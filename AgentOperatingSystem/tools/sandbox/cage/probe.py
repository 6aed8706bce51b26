"""Finds out what a Python on this machine needs from the file system: run once by the host, in a process of its own.

Imports every extension module of the standard library and asks the dynamic linker what that loaded, so that a cage
can show exactly these libraries and no folder full of others.
"""

import ctypes
import importlib
import json
import os
import sys
import sysconfig
from contextlib import suppress

from AgentOperatingSystem.tools.sandbox.cage.request import View

SKIPPED = ("_test", "_tkinter", "_xx", "xx", "nis", "ossaudiodev", "readline", "spwd", "_ctypes_test")
EXPECTED = ("libgcc_s.so.1", "libstdc++.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1")
"""What native packages may expect of every Linux: PEP 600 (manylinux)."""
FOREIGN = ("site-packages", "dist-packages")


class _Library(ctypes.Structure):
    """The beginning of struct dl_phdr_info: dl_iterate_phdr(3)."""

    _fields_ = (("address", ctypes.c_void_p), ("name", ctypes.c_char_p))


_VISIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Library), ctypes.c_size_t, ctypes.c_void_p)


def view() -> View:
    """What a program may read, before anything is granted."""
    path = [folder for folder in sys.path if os.path.isabs(folder) and os.path.exists(folder)]
    folders = sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *path})
    folders = [each for each in folders if not any(each.startswith(f"{other}/") for other in folders)]
    _load_extensions([each for each in path if each.endswith("lib-dynload")])
    _load_libraries()
    return View(
        folders=folders,
        hidden=[place for folder in folders for name in FOREIGN if os.path.isdir(place := f"{folder}/{name}")],
        files=[(os.path.realpath(found), found) for found in _libraries() if not found.startswith(tuple(folders))],
        path=path,
    )


def _load_extensions(folders: list[str]) -> None:
    for folder in folders:
        for file in sorted(os.listdir(folder)):
            if file.endswith(".so") and not file.startswith(SKIPPED):
                with suppress(ImportError):
                    importlib.import_module(file.partition(".")[0])


def _load_libraries() -> None:
    for name in EXPECTED:
        with suppress(OSError):
            ctypes.CDLL(name)


def _libraries() -> list[str]:
    found: list[str] = []

    def visit(library: "ctypes._Pointer[_Library]", size: int, data: int | None) -> int:
        found.append(os.fsdecode(library.contents.name or b""))
        return 0

    ctypes.CDLL(None).dl_iterate_phdr(_VISIT(visit), None)
    return [name for name in found if os.path.isabs(name)]


def main(package_root: str) -> None:
    """Writes the view to standard output, as JSON; `package_root` is on sys.path for this process alone."""
    sys.path.remove(package_root)
    sys.stdout.write(json.dumps(view()._asdict()))
