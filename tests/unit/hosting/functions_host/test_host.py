"""Which engine runs the functions."""

import sys

import pytest

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host.host import engine_of


def test_the_sdk_s_engine_is_there_on_every_python() -> None:
    assert engine_of("sdk").name.startswith("azure-functions ")


def test_the_best_engine_is_microsoft_s_own_where_it_is_installed() -> None:
    expected = "azure-functions-runtime" if sys.version_info >= (3, 13) else "azure-functions "
    assert engine_of().name.startswith(expected)


def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match="there is no engine 'node'; there are auto, runtime, sdk"):
        engine_of("node")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the runtime is installed here")
def test_the_official_runtime_says_which_python_it_needs() -> None:
    with pytest.raises(ConfigurationError, match=r"install azure-functions-runtime \(Python 3\.13\)"):
        engine_of("runtime")
