"""The user's agents: a module that `aos up`, workers and Azure Functions all load in this one way.

`AOS_APP` (the setting `app`) names it. Importing it registers nothing by itself; the composition file looks through the
module for agents. A handler of a durable subscription is found again by `module:qualname`, so the same text always
loads the same module under the same name: `package.module` as it is, and `path/app.py` as `app`, or as `package.app`
where the files beside it form a package.
"""

import importlib
import re
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType

from AgentOperatingSystem.errors import ConfigurationError

_DOTTED = re.compile(r"[\w-]+(\.[\w-]+)*")
_PACKAGE = str(Path(__file__).parents[1])
_STANDARD_LIBRARY = sysconfig.get_path("stdlib")
_loaded_files: dict[str, Path] = {}


def load_app(spec: str) -> ModuleType:
    """Imports the module that `spec` names, `package.module` or `path/app.py`; the current directory is importable.

    Loading the same text again gives the same module. Raises `ConfigurationError`, one line: no such file or module, a
    syntax error with file and line, the name of a module that is missing, or what the module itself raised and where.
    """
    importlib.invalidate_caches()  # a file that was written a moment ago is seen
    if spec.endswith(".py") or "/" in spec or "\\" in spec:
        return _load_file(spec)
    if not _DOTTED.fullmatch(spec):
        raise ConfigurationError(f"app {spec!r}: name a module (package.module) or a file (path/app.py)")
    _make_importable(Path.cwd())
    return _import(spec, spec)


def _load_file(spec: str) -> ModuleType:
    path = Path(spec).resolve()
    if path.is_dir():
        path = path / "__init__.py"
    if not path.is_file():
        raise ConfigurationError(f"app {spec!r}: there is no file {path}")
    root, name = _module_of(path)
    _make_importable(Path.cwd())
    _make_importable(root, before_all=True)
    _refuse_clash(spec, name, path)
    module = _import(spec, name)
    _loaded_files[name] = path
    return module


def _module_of(path: Path) -> tuple[Path, str]:
    """The directory to import from, and the module's name there: the outermost package that the file belongs to
    counts."""
    names = [] if path.name == "__init__.py" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names)


def _make_importable(folder: Path, before_all: bool = False) -> None:
    if before_all or str(folder) not in sys.path:
        sys.path[:] = [str(folder), *(entry for entry in sys.path if entry != str(folder))]


def _refuse_clash(spec: str, name: str, path: Path) -> None:
    """The file's name must not stand for another module already; an app that was loaded before makes room."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or "." in path.stem:
        raise ConfigurationError(f"app {spec!r}: a module cannot be called {path.stem!r} here; rename the file")
    present = getattr(sys.modules.get(name), "__file__", path)
    if present is not None and Path(present).resolve() == path:
        return
    if name not in _loaded_files:
        raise ConfigurationError(f"app {spec!r}: a module {name!r} is already loaded from {present}; rename the file")
    for other in [other for other in sys.modules if other.partition(".")[0] == top]:
        del sys.modules[other]


def _import(spec: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except SyntaxError as error:
        raise ConfigurationError(f"app {spec!r}: {error.filename}:{error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"app {spec!r}: {_reason(error, name)}") from error


def _reason(error: BaseException, name: str) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and (missing == name or name.startswith(f"{missing}.")):
        return f"there is no module {missing!r} in {Path.cwd()} or installed"
    if missing:
        return f"{_place(error)}: the module {missing!r} is missing; install it or correct the import"
    return f"{_place(error)}: {type(error).__name__}: {error}"


def _place(error: BaseException) -> str:
    """File and line of the user's own statement that failed, however deep in a library it ended."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _is_foreign(frame.filename)] or frames
    return f"{own[-1].filename}:{own[-1].lineno}"


def _is_foreign(filename: str) -> bool:
    return filename.startswith(("<", _PACKAGE, _STANDARD_LIBRARY)) or "site-packages" in filename
