"""Templates of requests and pointers into answers, and a scoring script's own shape."""

from typing import Any

import pytest

from AgentOperatingSystem.errors import ConfigurationError, MalformedAnswer
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.templates import at, filled, names_in
from AgentOperatingSystem.ml.wires.score import ScoreWire, Shape

VALUES = {"question": "Why?", "number": 7, "nothing": None, "list": [1, 2]}


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{question}", "Why?"),
        ("{number}", 7),
        ("{list}", [1, 2]),
        ("Q: {question} {number} {list} {nothing}", "Q: Why? 7 [1,2] "),
        ("{unknown} {question", "{unknown} {question"),
        ({"a": "{nothing}", "b": {"c": "{number}"}}, {"b": {"c": 7}}),
        (["{nothing}", "{number}", 3, None], [7, 3, None]),
        ("{nothing}", None),
    ],
)
def test_a_template_is_filled_in(template: Any, made: Any) -> None:
    assert filled(template, VALUES) == made


def test_what_a_template_asks_for() -> None:
    assert names_in({"a": ["{one} {two}", "{ three }"], "{four}": 1}) == {"one", "two", "four"}


DOCUMENT = {"a/b": [{"text": "x"}], "n~": 1}


@pytest.mark.parametrize(("pointer", "found"), [("", DOCUMENT), ("/a~1b/0/text", "x"), ("/n~0", 1)])
def test_a_pointer(pointer: str, found: Any) -> None:
    assert at(pointer, DOCUMENT) == found


@pytest.mark.parametrize("pointer", ["/c", "/a~1b/1", "/a~1b/-1", "/a~1b/x", "/n~0/0"])
def test_a_pointer_to_nothing(pointer: str) -> None:
    with pytest.raises(LookupError):
        at(pointer, DOCUMENT)


def test_a_text_that_is_no_pointer() -> None:
    with pytest.raises(ConfigurationError, match="no JSON Pointer"):
        at("a.b", DOCUMENT)


@pytest.mark.parametrize(
    ("output", "answer", "text"),
    [
        ("/output", {"output": "yes"}, "yes"),
        ("/0/generated_text", [{"generated_text": "yes"}], "yes"),
        ("/0", '["yes"]', "yes"),  # a script that returns json.dumps(…)
        ("", "yes", "yes"),
        ("/output", {"output": {"a": 1}}, '{"a":1}'),
    ],
)
def test_answers_of_scoring_scripts(output: str, answer: Any, text: str) -> None:
    assert ScoreWire("azureml", "gpu", Shape(output=output)).read(answer).text == text


def test_its_tokens_are_counted_where_it_tells_them() -> None:
    shape = Shape(input_tokens="/usage/in", output_tokens="/usage/out")
    usage = ScoreWire("azureml", "gpu", shape).read({"output": "yes", "usage": {"in": 3, "out": "?"}}).usage
    assert (usage.input_tokens, usage.output_tokens) == (3, None)


def test_an_answer_of_another_shape_is_shown() -> None:
    with pytest.raises(MalformedAnswer, match=r"azureml/gpu: nothing at '/output' of the answer \{\"result\":1\}"):
        ScoreWire("azureml", "gpu", Shape()).read({"result": 1})


def test_everything_that_a_template_may_ask_for() -> None:
    names = ("prompt", "question", "instructions", "model", "stop", "seed", "temperature")
    shape = Shape(input={name: f"{{{name}}}" for name in names})
    request = ModelRequest.ask("Why?", instructions="Be brief.", stop=("\n",), seed=7, temperature=0.5)
    assert ScoreWire("azureml", "gpu", shape).body(request, streaming=False) == {
        "prompt": "Be brief.\n\nWhy?",
        "question": "Why?",
        "instructions": "Be brief.",
        "model": "gpu",
        "stop": ["\n"],
        "seed": 7,
        "temperature": 0.5,
    }
