"""SQL conditions and actions of subscription rules, compiled to functions of a message.

The grammar is that of Microsoft Learn, "Subscription rule SQL filter syntax" and "… action syntax". Compiled once by
`matching`, asked for each publication.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.rules import values
from AgentOperatingSystem.hosting.servicebus_emulator.rules.tokens import Token, tokens

LENGTH_MAX = 1024
DEPTH_MAX = 64

Expression = Callable[[Envelope], Any]
Change = Callable[[Envelope], Envelope]


def condition(source: str, parameters: Mapping[str, Any] | None = None) -> Callable[[Envelope], bool]:
    """Whether a message is meant; unknown counts as no. Raises `InvalidRequest` for what is no condition, and for a
    parameter that has no value."""
    parser = _Parser(source, parameters)
    expression = parser.disjunction()
    parser.expect_end()
    return lambda envelope: expression(envelope) is True


def action(source: str, parameters: Mapping[str, Any] | None = None) -> Change:
    """The changes of an action, one after the other. Raises `InvalidRequest` for what is no action."""
    parser = _Parser(source, parameters)
    changes = [parser.change()]
    while parser.took(";"):
        if not parser.at_end():
            changes.append(parser.change())
    parser.expect_end()

    def apply(envelope: Envelope) -> Envelope:
        for change in changes:
            envelope = change(envelope)
        return envelope

    return apply


class _Parser:
    """Recursive descent, one method for each level of precedence."""

    def __init__(self, source: str, parameters: Mapping[str, Any] | None) -> None:
        if len(source) > LENGTH_MAX:
            raise InvalidRequest(f"an SQL text has at most {LENGTH_MAX} characters, not {len(source)}")
        self._source = source
        self._parameters = {name.lower(): value for name, value in (parameters or {}).items()}
        self._tokens = tokens(source)
        self._place = 0
        self._depth = 0

    def disjunction(self) -> Expression:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._wrong("parentheses lie too deep in one another")
        left = self._conjunction()
        while self.took("OR"):
            left = _either(left, self._conjunction())
        self._depth -= 1
        return left

    def change(self) -> Change:
        if self.took("SET"):
            scope, name = self._property()
            self.expect("=")
            return _set(scope, name, self._sum())
        if self.took("REMOVE"):
            scope, name = self._property()
            return _set(scope, name, lambda envelope: None)
        raise self._wrong("an action is SET property = value or REMOVE property")

    def _conjunction(self) -> Expression:
        left = self._negation()
        while self.took("AND"):
            left = _both(left, self._negation())
        return left

    def _negation(self) -> Expression:
        denials = 0
        while self.took("NOT"):
            denials += 1
        inner = self._comparison()
        return _denied(inner) if denials % 2 else inner

    def _comparison(self) -> Expression:
        left = self._sum()
        token = self._peek()
        if token is None:
            return left
        if token.kind == "sign" and token.text in ("=", "<>", "!=", "<", "<=", ">", ">="):
            self._next()
            return _compared(token.text, left, self._sum())
        if self.took("IS"):
            denied = self.took("NOT")
            self.expect("NULL")
            return lambda envelope: (left(envelope) is None) is not denied
        return self._membership(left)

    def _membership(self, left: Expression) -> Expression:
        """`[NOT] IN (…)` and `[NOT] LIKE …`, or the left side alone."""
        denied = self.took("NOT")
        if self.took("IN"):
            found = _within(left, self._arguments())
        elif self.took("LIKE"):
            found = self._like(left)
        elif denied:
            raise self._wrong("NOT stands before IN or LIKE here")
        else:
            return left
        return _denied(found) if denied else found

    def _like(self, left: Expression) -> Expression:
        pattern = self._sum()
        escape: str | None = None
        if self.took("ESCAPE"):
            token = self._next()
            if token.kind != "text" or len(token.text) != 1:
                raise self._wrong("ESCAPE takes one character in quotes")
            escape = token.text
        return lambda envelope: values.like(left(envelope), pattern(envelope), escape)

    def _arguments(self) -> list[Expression]:
        self.expect("(")
        found = [self._sum()]
        while self.took(","):
            found.append(self._sum())
        self.expect(")")
        return found

    def _sum(self) -> Expression:
        left = self._product()
        while (sign := self._sign("+", "-")) is not None:
            left = _computed(sign, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._operand()
        while (sign := self._sign("*", "/", "%")) is not None:
            left = _computed(sign, left, self._operand())
        return left

    def _operand(self) -> Expression:
        if (sign := self._sign("+", "-")) is not None:
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise self._wrong("too many signs")
            inner = self._operand()
            self._depth -= 1
            return inner if sign == "+" else _computed("-", lambda envelope: 0, inner)
        if self.took("("):
            inner = self.disjunction()
            self.expect(")")
            return inner
        if self.took("EXISTS"):
            return self._exists()
        return self._atom()

    def _exists(self) -> Expression:
        self.expect("(")
        held = _held(*self._property())
        self.expect(")")
        return lambda envelope: held(envelope) is not None

    def _atom(self) -> Expression:
        token = self._next()
        if token.kind == "word" and token.text in _CONSTANTS:
            return _constant(_CONSTANTS[token.text])
        if token.kind == "text":
            return _constant(token.text)
        if token.kind == "number":
            return _constant(_number(token.text))
        if token.kind == "parameter":
            return self._parameter(token.text)
        following = self._peek()
        if token.kind == "name" and following == Token("sign", "("):
            return self._call(token.text.lower())
        self._place -= 1
        return _held(*self._property())

    def _parameter(self, name: str) -> Expression:
        if name.lower() not in self._parameters:
            raise self._wrong(f"the parameter {name} has no value")
        return _constant(values.wire(self._parameters[name.lower()]))

    def _call(self, function: str) -> Expression:
        self.expect("(")
        if function == "newid":
            self.expect(")")
            return lambda envelope: uuid4()
        if function in ("p", "property"):
            name = self._sum()
            self.expect(")")
            return lambda envelope: values.user_property(envelope, str(name(envelope)))
        raise self._wrong(f"there is no function {function}; newid() and property(name) are")

    def _property(self) -> tuple[str, str]:
        """(scope, name); the scope is `sys` or `user`."""
        first = self._identifier()
        if first.kind == "name" and first.text.lower() in ("sys", "user") and self.took("."):
            return first.text.lower(), self._identifier().text
        return "user", first.text

    def _identifier(self) -> Token:
        token = self._next()
        if token.kind not in ("name", "quoted"):
            raise self._wrong(f"a property is expected, not {token.text!r}")
        return token

    def took(self, text: str) -> bool:
        """Whether the next token is this one, which is then behind us."""
        token = self._peek()
        if token is None or token.kind not in ("word", "sign") or token.text != text:
            return False
        self._place += 1
        return True

    def expect(self, text: str) -> None:
        if not self.took(text):
            token = self._peek()
            raise self._wrong(f"{text} is expected, not {token.text!r}" if token else f"{text} is missing at the end")

    def at_end(self) -> bool:
        return self._peek() is None

    def expect_end(self) -> None:
        token = self._peek()
        if token is not None:
            raise self._wrong(f"nothing is expected after {self._tokens[self._place - 1].text!r}, not {token.text!r}")

    def _sign(self, *texts: str) -> str | None:
        return next((text for text in texts if self.took(text)), None)

    def _peek(self) -> Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _next(self) -> Token:
        token = self._peek()
        if token is None:
            raise self._wrong("it ends too early")
        self._place += 1
        return token

    def _wrong(self, message: str) -> InvalidRequest:
        return InvalidRequest(f"{self._source!r}: {message}")


_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


def _number(text: str) -> int | float:
    if text[:2].lower() == "0x":
        return int(text, 16)
    return int(text) if text.isdigit() else float(text)


def _constant(value: Any) -> Expression:
    return lambda envelope: value


def _held(scope: str, name: str) -> Expression:
    if scope == "sys":
        small = name.lower()
        return lambda envelope: values.system_property(envelope, small)
    return lambda envelope: values.user_property(envelope, name)


def _either(left: Expression, right: Expression) -> Expression:
    return lambda envelope: values.either(left(envelope), right(envelope))


def _both(left: Expression, right: Expression) -> Expression:
    return lambda envelope: values.both(left(envelope), right(envelope))


def _denied(inner: Expression) -> Expression:
    return lambda envelope: values.opposite(inner(envelope))


def _compared(sign: str, left: Expression, right: Expression) -> Expression:
    return lambda envelope: values.compare(sign, left(envelope), right(envelope))


def _computed(sign: str, left: Expression, right: Expression) -> Expression:
    return lambda envelope: values.compute(sign, left(envelope), right(envelope))


def _within(left: Expression, choices: list[Expression]) -> Expression:
    def within(envelope: Envelope) -> values.Truth:
        found: values.Truth = False
        for choice in choices:
            found = values.either(found, values.compare("=", left(envelope), choice(envelope)))
        return found

    return within


def _set(scope: str, name: str, value: Expression) -> Change:
    if scope == "user":
        return lambda envelope: envelope.with_application({name: value(envelope)})
    if name.lower() not in values.SYSTEM:
        raise InvalidRequest(f"sys.{name} cannot be changed by an action")
    place = values.SYSTEM[name.lower()]
    return lambda envelope: envelope.with_property(place, value(envelope))
