"""Bicep files as values: what infra/ declares, read by a parser; used by the checks beside this file."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import tree_sitter_bicep
from pycep import BicepParser
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[3]
INFRA = ROOT / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))


@cache
def parsed(path: Path) -> dict[str, Any]:
    """One file's declarations: parameters, variables, modules, resources, outputs."""
    return cast(dict[str, Any], BicepParser().parse(text=path.read_text()))


def modules(path: Path) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """The modules that a file uses: name, source, version (empty for a file) and arguments."""
    for name, module in parsed(path).get("modules", {}).items():
        detail, config = module["detail"], module["config"]
        while "config" in config:  # a loop's, or a condition's
            config = config["config"]
        yield name, detail["path"], detail.get("tag", ""), config.get("params", {})


def symbols(path: Path) -> tuple[set[str], set[str], set[str]]:
    """The names that a file declares (lambdas' and loops' own included), those that it reads, and the functions that
    it calls. Raises `SyntaxError` where the file cannot be parsed.
    """
    declared: set[str] = set()
    read: set[str] = set()
    called: set[str] = set()

    def walk(node: Node) -> None:
        if node.type == "ERROR" or node.is_missing:
            raise SyntaxError(f"{path.name}:{node.start_point[0] + 1}: {(node.text or b'').decode()[:60]!r}")
        own = _own_name(node)
        for child in node.named_children:
            if child.type != "identifier":
                walk(child)
            elif own is not None and child.id == own.id:
                if node.type != "object_property":
                    declared.add(_text(child))
            elif node.type == "call_expression" and child.id == _id(node.child_by_field_name("function")):
                called.add(_text(child))
            elif node.type not in ("decorator", "type"):
                read.add(_text(child))

    walk(Parser(Language(tree_sitter_bicep.language())).parse(path.read_bytes()).root_node)
    return declared, read, called


def _own_name(node: Node) -> Node | None:
    """The name that a declaration, a loop, a lambda or a property brings with it."""
    if node.type.endswith("_declaration") or node.type in ("object_property", "lambda_expression"):
        return node.named_children[0] if node.named_children[0].type == "identifier" else None
    return node.child_by_field_name("initializer") if node.type == "for_statement" else None


def _id(node: Node | None) -> int:
    return node.id if node is not None else 0


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def texts(value: Any) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


def is_literal(value: Any) -> bool:
    """Whether a value is an object that is written down here, not an expression."""
    return isinstance(value, dict) and not value.keys() & {"operator", "function", "type", "if", "loop"}


def lambda_body(value: Any) -> Any:
    """What each item of `map(list, each => {...})` becomes; None for anything else."""
    function = value.get("function") if isinstance(value, dict) else None
    if not function or function["type"] != "map":
        return None
    return function["parameters"]["arg_2"]["detail"]["expression"]
