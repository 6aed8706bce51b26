"""The host's wire messages as plain objects: the official runtime takes its message types by injection, so no gRPC and
no protobuf are needed to speak to it in its own process.
"""

from enum import IntEnum
from types import SimpleNamespace
from typing import Any

from AgentOperatingSystem.hosting.functions_host.records import Datum, Function, Payload


class Message(SimpleNamespace):
    """A message with the fields that it was given."""


class TypedData(SimpleNamespace):
    """A value of one of several kinds; none where no field is given."""

    def WhichOneof(self, _group: str) -> str | None:  # the wire format's own name
        """The kind."""
        return next(iter(vars(self)), None)


class Binding(SimpleNamespace):
    """A parameter's value: always sent as data here, never by shared memory."""

    def WhichOneof(self, _group: str) -> str:  # the wire format's own name
        """The way in which it is sent."""
        return "data"


class Direction(IntEnum):
    """A binding's directions, as BindingInfo numbers them."""

    inbound = 0
    out = 1
    inout = 2


class StatusResult(Message):
    """How something ended."""

    Failure, Success, Cancelled = 0, 1, 2


class BindingInfo(Message):
    """A binding, in an app's metadata."""

    undefined, inout, out = 0, Direction.inout, Direction.out


PROTOS = SimpleNamespace(
    BindingInfo=BindingInfo,
    FunctionLoadResponse=Message,
    FunctionMetadataResponse=Message,
    InvocationResponse=Message,
    ParameterBinding=Message,
    RpcException=Message,
    RpcFunctionMetadata=Message,
    RpcRetryOptions=Message,
    StatusResult=StatusResult,
    TypedData=TypedData,
    WorkerInitResponse=Message,
    WorkerMetadata=Message,
)
"""What the runtime imports from the protobuf module elsewhere."""


def init_request(folder: str, host: str) -> Message:
    """Loads and indexes the app of a folder; `host` is where the worker's web server listens."""
    request = Message(worker_init_request=Message(capabilities={}, function_app_directory=folder))
    return Message(request=request, properties={"host": host, "protos": PROTOS})


def invocation_request(function: Function, payload: Payload, invocation_id: str) -> Message:
    """Runs one function."""
    value = Binding(name=function.trigger["name"], data=_typed(payload.datum))
    metadata = {name: Binding(TypedData=_typed(datum)) for name, datum in payload.metadata.items()}
    request = Message(
        invocation_id=invocation_id,
        function_id=function.id,
        input_data=[value],
        trigger_metadata=metadata,
        trace_context=Message(trace_parent="", trace_state="", attributes={}),
        retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
    )
    return Message(request=Message(invocation_request=request), properties={})


def _typed(datum: Datum) -> TypedData:
    value: Any = datum.value
    if datum.kind == "collection_bytes":
        value = Message(bytes=value)
    if datum.kind == "http":
        value = Message(**value, headers={}, params={}, query={}, body=TypedData())
    return TypedData(**{datum.kind: value})
