"""How a function becomes a command: shared options are added, and each error ends as one line and an exit code.

A command names what it needs by type: `Output` brings `--json`; `System` and `Server` bring `--url`, `--token`,
`--data` and `--app`. The function stays free of both.
"""

import functools
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from AgentOperatingSystem.cli.exits import FAILED, OK, ReaderLeft, exit_code
from AgentOperatingSystem.cli.light import LightCommand
from AgentOperatingSystem.cli.output import Output, note
from AgentOperatingSystem.cli.system import Server, System
from AgentOperatingSystem.config import client_settings
from AgentOperatingSystem.errors import AOSError

Function = TypeVar("Function", bound=Callable[..., None])

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The system to speak to [AOS_URL]; else the one on this machine."),
]
Token = Annotated[
    str | None,
    typer.Option("--token", metavar="TOKEN", help="Its bearer token [AOS_TOKEN]; else the one that lies in --data."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The folder of the system on this machine [AOS_DATA_DIR, .aos]."),
]
App = Annotated[
    str | None, typer.Option("--app", metavar="APP", help="Where the agents are [AOS_APP], where no server runs.")
]
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "url": (Url, None),
    "token": (Token, None),
    "data_dir": (Data, None),
    "agents_app": (App, None),
    "as_json": (AsJson, False),
    "debug": (Debug, False),
}
_BROUGHT = {
    System: ("url", "token", "data_dir", "agents_app"),
    Server: ("url", "token", "data_dir"),
    Output: ("as_json",),
}


def command(app: typer.Typer, name: str, section: str | None = None) -> Callable[[Function], Function]:
    """Registers a function as the command `name`, listed under `section`; its docstring is the help."""

    def register(function: Function) -> Function:
        app.command(name, cls=LightCommand, rich_help_panel=section)(_bound(function))
        return function

    return register


def group_command(group: typer.Typer) -> Callable[[Function], Function]:
    """Registers a function as what a group of commands does where none of them is named."""

    def register(function: Function) -> Function:
        bound = _bound(function)

        @functools.wraps(bound)
        def called(context: typer.Context, **given: Any) -> None:
            if context.invoked_subcommand is None:
                bound(**given)

        first = Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)
        others = inspect.signature(bound).parameters.values()
        called.__signature__ = inspect.Signature([first, *others])  # type: ignore[attr-defined]  # read by inspect
        called.__annotations__ = {"context": typer.Context, **bound.__annotations__}
        group.callback()(called)
        return function

    return register


def _bound(function: Callable[..., None]) -> Callable[..., None]:
    """The function with its shared options in its signature, and what they bring in its arguments."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    needs = {parameter.name: parameter.annotation for parameter in parameters if parameter.annotation in _BROUGHT}
    own = [parameter for parameter in parameters if parameter.name not in needs]
    shared = [*dict.fromkeys(option for kind in needs.values() for option in _BROUGHT[kind]), "debug"]

    @functools.wraps(function)
    def bound(**given: Any) -> None:
        options = {name: given.pop(name) for name in shared}
        with _reported(options["debug"]), ExitStack() as stack:
            brought = {name: _brought(kind, options, stack) for name, kind in needs.items()}
            function(**given, **brought)

    added = [_option(name) for name in shared]
    keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own]
    bound.__signature__ = inspect.Signature([*keywords, *added])  # type: ignore[attr-defined]  # read by inspect
    bound.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return bound


def _option(name: str) -> Parameter:
    annotation, default = _OPTIONS[name]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _brought(kind: Any, options: dict[str, Any], stack: ExitStack) -> Any:
    if kind is Output:
        return Output(options["as_json"])
    settings = client_settings(url=options["url"], token=options["token"], data_dir=options["data_dir"])
    system = kind(settings, options.get("agents_app"))
    stack.callback(system.close)
    return system


@contextmanager
def _reported(debug: bool) -> Iterator[None]:
    """Ends the command with the exit code of whatever is raised, and one line on standard error."""
    try:
        yield
    except AOSError as error:
        _fail(str(error), exit_code(error), debug)
    except (typer.Exit, ReaderLeft):
        raise
    except BrokenPipeError:
        raise ReaderLeft from None  # typer makes an exit code of its own out of the other
    except Exception as error:
        hint = "" if debug else "; run it again with --debug for the traceback"
        _fail(f"a bug: {type(error).__name__}: {error}{hint}", FAILED, debug)


def _fail(message: str, code: int, debug: bool) -> None:
    from AgentOperatingSystem.observability.redaction import redact  # only where something went wrong

    if debug:
        sys.stderr.write(redact(traceback.format_exc()))
    note(redact(message))
    raise typer.Exit(code)


def finish(code: int) -> None:
    """Ends the command here, with an exit code of its own."""
    if code != OK:
        raise typer.Exit(code)
