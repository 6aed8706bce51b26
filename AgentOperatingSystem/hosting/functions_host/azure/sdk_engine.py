"""The engine for Python 3.11 and 3.12, which the official runtime does not run on: the SDK's own index of the app and
its binding registry, as the platform's worker uses them.

Made by `host.engine_of`. HTTP goes through the worker's own web server as it does with the official runtime, found in
the same way (azurefunctions-extensions-base).
"""

import asyncio
import importlib
import inspect
import json
import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_type_hints
from uuid import uuid4

import azure.functions as sdk
from azure.functions import meta

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host.records import Datum, Function, InvocationFailed, Payload

_log = logging.getLogger(__name__)


class SdkEngine:
    """One app in this process."""

    def __init__(self) -> None:
        self.name = f"azure-functions {sdk.__version__}"
        self.http_address = ""
        self._calls: dict[str, Any] = {}
        """The user's functions, by id."""
        self._requests: dict[str, asyncio.Future[Any]] = {}
        self._answers: dict[str, asyncio.Future[Any]] = {}
        """What came over HTTP, and what a function returned for it, by invocation."""
        self._server: asyncio.Task[None] | None = None

    async def start(self, folder: Path) -> Sequence[Function]:
        """As `Engine.start`."""
        try:
            module = importlib.import_module("function_app")
            apps = [each for each in vars(module).values() if isinstance(each, sdk.FunctionRegister)]
            indexed = [function for app in apps for function in app.get_functions()]
        except Exception as error:
            raise ConfigurationError(f"{folder / 'function_app.py'}: {type(error).__name__}: {error}") from error
        if not indexed:
            raise ConfigurationError(f"{folder}: there is no function_app.py with functions")
        self._calls = {str(each.get_function_name()): each.get_user_function() for each in indexed}
        self._serve_http()
        return [_function(each) for each in indexed]

    async def invoke(self, function: Function, payload: Payload, invocation_id: str = "") -> None:
        """As `Engine.invoke`."""
        invocation_id = invocation_id or uuid4().hex
        try:
            await self._call(function, payload, invocation_id)
        except Exception as error:
            _log.info("%s failed", function.name, exc_info=True)
            self._answer(invocation_id, error)
            raise InvocationFailed(f"{function.name}: {type(error).__name__}: {error}") from None

    async def _call(self, function: Function, payload: Payload, invocation_id: str) -> None:
        name = function.trigger["name"]
        call = self._calls[function.id]
        if payload.datum.kind == "http":
            value = await self._future(self._requests, invocation_id)
        else:
            value = _decoded(function, payload, get_type_hints(call).get(name))
        if inspect.iscoroutinefunction(call):
            result = await call(**{name: value})
        else:
            result = await asyncio.to_thread(call, **{name: value})
        if payload.datum.kind == "http":
            self._answer(invocation_id, result)

    # --- HTTP, as the runtime's http_v2 does it ---------------------------------------------------------------------

    def _serve_http(self) -> None:
        base: Any = importlib.import_module("azurefunctions.extensions.base")

        if not base.HttpV2FeatureChecker.http_v2_enabled():
            return
        extension = importlib.import_module(base.ModuleTrackerMeta.get_module())
        app = extension.WebApp()
        app.route(self._pass)
        port = _free_port()
        self.http_address = f"http://127.0.0.1:{port}"
        self._server = asyncio.get_running_loop().create_task(extension.WebServer("127.0.0.1", port, app).serve())

    async def _pass(self, request: Any) -> Any:
        """Hands a request to its invocation and answers what that returns."""
        invocation_id = request.headers["x-ms-invocation-id"]
        self._future(self._requests, invocation_id).set_result(request)
        try:
            return await self._future(self._answers, invocation_id)
        finally:
            del self._requests[invocation_id], self._answers[invocation_id]

    def _answer(self, invocation_id: str, answer: Any) -> None:
        if invocation_id in self._requests:
            future = self._future(self._answers, invocation_id)
            future.set_exception(answer) if isinstance(answer, Exception) else future.set_result(answer)

    @staticmethod
    def _future(among: dict[str, asyncio.Future[Any]], invocation_id: str) -> asyncio.Future[Any]:
        return among.setdefault(invocation_id, asyncio.get_running_loop().create_future())


def _function(found: Any) -> Function:
    name = str(found.get_function_name())
    return Function(name, name, tuple(json.loads(each) for each in found.get_raw_bindings()))


def _decoded(function: Function, payload: Payload, annotation: Any) -> Any:
    """The value as the function's parameter asks for it; a text or bytes is handed through as it came."""
    if annotation in (str, bytes):
        return payload.datum.value
    registry: Any = sdk.get_binding_registry()  # type: ignore[no-untyped-call]  # the SDK's types end here
    converter = registry.get(function.trigger["type"])
    if not converter.check_input_type_annotation(annotation):
        raise ConfigurationError(f"{function.name}: {function.trigger['type']} cannot be a {annotation}")
    metadata = {name: _datum(datum) for name, datum in payload.metadata.items()}
    return converter.decode(_datum(payload.datum), trigger_metadata=metadata)


def _datum(datum: Datum) -> meta.Datum:
    from types import SimpleNamespace

    value = SimpleNamespace(bytes=datum.value) if datum.kind == "collection_bytes" else datum.value
    return meta.Datum(value, datum.kind)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
