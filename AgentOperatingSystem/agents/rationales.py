"""What an analysis is: options, evidence and a conclusion, as a model must write them and as they are checked.

`IntelligenceAgent` asks with `schema_of` and believes only what `read` accepts. Pure: nothing here asks anybody.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from AgentOperatingSystem.errors import MalformedAnswer
from AgentOperatingSystem.ml.records import OutputSchema
from AgentOperatingSystem.tools.records import ToolResult

QUESTION, KNOWLEDGE = "question", "general knowledge"
FINDING_LENGTH_MAX = 4000


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one call of a tool, which evidence can cite by its label."""

    label: str
    """`T1`, `T2` …"""
    tool: str
    arguments: Any
    content: str
    """At most 4,000 characters of it."""
    is_error: bool


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that could be done, or be the case."""

    name: str
    strengths: list[str]
    weaknesses: list[str]


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fact that speaks for or against an option."""

    claim: str
    source: str
    """`question`, `general knowledge` (the model's own), or the label of a finding."""
    option: str
    bearing: Literal["for", "against"]


class Conclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The option that the evidence supports best."""

    option: str
    reason: str
    confidence: Literal["low", "medium", "high"]


class Analysis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model's whole answer."""

    options: list[Option]
    evidence: list[Evidence]
    conclusion: Conclusion


def finding(number: int, tool: str, arguments: Any, result: ToolResult) -> Finding:
    """The result of the n-th call, counted from 1."""
    content = result.content[:FINDING_LENGTH_MAX]
    return Finding(label=f"T{number}", tool=tool, arguments=arguments, content=content, is_error=result.is_error)


def schema_of(labels: Sequence[str]) -> OutputSchema:
    """What the model must answer with; evidence can cite only what there is."""
    texts = {"type": "array", "items": _TEXT}
    option = _object(name=_TEXT, strengths=texts, weaknesses=texts)
    evidence = _object(
        claim=_TEXT,
        source={"type": "string", "enum": [QUESTION, KNOWLEDGE, *labels]},
        option=_TEXT,
        bearing={"type": "string", "enum": ["for", "against"]},
    )
    confidence = {"type": "string", "enum": ["low", "medium", "high"]}
    whole = _object(
        options={"type": "array", "items": option},
        evidence={"type": "array", "items": evidence},
        conclusion=_object(option=_TEXT, reason=_TEXT, confidence=confidence),
    )
    return OutputSchema(name="analysis", schema=whole)


def read(value: Any) -> Analysis:
    """The analysis. Raises `MalformedAnswer` where it contradicts itself, which no schema can tell."""
    try:
        analysis = msgspec.convert(value, Analysis)
    except msgspec.ValidationError as error:
        raise MalformedAnswer(f"the analysis is not one: {error}") from None
    names = [option.name for option in analysis.options]
    if not names or len(set(names)) < len(names):
        raise MalformedAnswer(f"the analysis needs options with names that differ; it has {names}")
    named = [analysis.conclusion.option, *(each.option for each in analysis.evidence)]
    unknown = [name for name in named if name not in names]
    if unknown:
        raise MalformedAnswer(f"the analysis speaks of the option {unknown[0]!r}, which is none of its options {names}")
    return analysis


def _object(**properties: Any) -> dict[str, Any]:
    """An object with just these properties, as every provider's strict mode takes it."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
