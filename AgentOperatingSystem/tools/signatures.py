"""The arguments of a Python function as a JSON schema, and a model's arguments as Python values: both by pydantic.

Parameters keep their names in the schema; within the model they have others, so that no name of a parameter can collide
with an attribute of pydantic's.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model
from pydantic.fields import FieldInfo

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput
from AgentOperatingSystem.tools.docstrings import Described

_PLAIN = (str, int, float, bool, type(None), list, dict, tuple)
KEY = "idempotency_key"
"""A parameter of this name is filled by the ledger of effects; a model neither sees nor fills it."""
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
COMPLAINTS_MAX = 10


class Signature:
    """The parameters of one function; made once, used for every call. Raises `ConfigurationError`."""

    def __init__(self, name: str, function: Callable[..., Any], described: Described) -> None:
        self.name = name
        self._signature = inspect.signature(function)
        hints = _hints(name, function)
        fields = {
            f"p{number}": _field(name, parameter, hints, described)
            for number, parameter in enumerate(self._signature.parameters.values())
            if parameter.name != KEY
        }
        names = [name for name in self._signature.parameters if name != KEY]
        self._names = dict(zip(fields, names, strict=True))
        self._model = _model(name, fields)

    @property
    def _takes_key(self) -> bool:
        return KEY in self._signature.parameters

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        schema = _plain(self._model.model_json_schema(by_alias=True))
        return {"type": "object", "properties": {}, **schema}

    def checked(self, arguments: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
        """Arguments as the function takes them, with the idempotency key where there is one and it wants it.

        Raises `InvalidInput` that names each one that is wrong.
        """
        try:
            values = self._model.model_validate(dict(arguments))
        except ValidationError as error:
            raise InvalidInput(f"{self.name}: {_complaints(error)}") from None
        wanted = {KEY: key} if key is not None and self._takes_key else {}
        return {name: getattr(values, field) for field, name in self._names.items()} | wanted

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """A Python call's arguments by name. Raises `InvalidInput`."""
        try:
            given = dict(self._signature.bind(*args, **{KEY: "", **kwargs} if self._takes_key else kwargs).arguments)
            return self.checked(given, given.pop(KEY, None))
        except TypeError as error:
            raise InvalidInput(f"{self.name}: {error}") from None


def _hints(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigurationError(f"tool {name}: its type hints cannot be resolved: {error}") from None


def _field(name: str, parameter: inspect.Parameter, hints: Mapping[str, Any], described: Described) -> tuple[Any, Any]:
    """A parameter as a field: its type, its default, its description."""
    if parameter.kind not in _NAMED:
        raise ConfigurationError(
            f"tool {name}: a model cannot fill {parameter}; every parameter needs a name of its own"
        )
    if parameter.name not in hints:
        raise ConfigurationError(f"tool {name}: parameter {parameter.name!r} needs a type hint")
    hint, said = _description(hints[parameter.name], described.parameters.get(parameter.name))
    given: dict[str, Any] = {"alias": parameter.name, **({"description": said} if said else {})}
    if parameter.default is inspect.Parameter.empty:
        return hint, Field(**given)
    if isinstance(parameter.default, _PLAIN):
        return hint, Field(default=parameter.default, **given)
    return hint, Field(default_factory=lambda: parameter.default, **given)


def _description(hint: Any, from_docstring: str | None) -> tuple[Any, str | None]:
    """`Annotated[str, "what it is"]` and `Field(description=)` go before the docstring."""
    if get_origin(hint) is not Annotated:
        return hint, from_docstring
    metadata = get_args(hint)[1:]
    texts = [each for each in metadata if isinstance(each, str)]
    texts += [each.description for each in metadata if isinstance(each, FieldInfo) and each.description]
    return hint, texts[0] if texts else from_docstring


def _model(name: str, fields: dict[str, tuple[Any, Any]]) -> type[BaseModel]:
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid", validate_default=False), **fields)  # type: ignore[call-overload,no-any-return]  # pydantic's types do not know fields by **
    except (PydanticUserError, TypeError, NameError) as error:
        raise ConfigurationError(f"tool {name}: {str(error).splitlines()[0]}") from None


def _plain(schema: Any) -> Any:
    """Without the titles that pydantic makes out of names: they cost tokens and say nothing."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    named = schema.get("properties")
    plain = {key: _plain(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    if isinstance(named, dict):  # a parameter may itself be called `title`
        plain["properties"] = {key: _plain(value) for key, value in named.items()}
    return plain


def _complaints(error: ValidationError) -> str:
    told = []
    for each in error.errors(include_url=False, include_input=False)[:COMPLAINTS_MAX]:
        place = ".".join(str(part) for part in each["loc"]) or "arguments"
        told.append(f"{place}: {each['msg']}")
    return "; ".join(told)
