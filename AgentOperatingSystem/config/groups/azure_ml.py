"""The GPU endpoints and jobs of Azure Machine Learning."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config import kinds
from AgentOperatingSystem.config.kinds import Seconds

_WORKSPACE = "/subscriptions/<id>/resourceGroups/<name>/providers/Microsoft.MachineLearningServices/workspaces/<name>"
_PARTS = ["", "subscriptions", "", "resourcegroups", "", "providers", "microsoft.machinelearningservices", "workspaces"]


def _workspace(text: str) -> str:
    parts = text.rstrip("/").split("/")
    named = [parts[place].lower() if place not in (2, 4) else "" for place in range(min(len(parts), len(_PARTS)))]
    if len(parts) != len(_PARTS) + 1 or named != _PARTS or not all(parts[1:]):
        raise ValueError(f"a workspace is a resource id: {_WORKSPACE}")
    return text.rstrip("/")


Workspace = Annotated[str, AfterValidator(_workspace)]


class AzureMLSettings(BaseSettings):
    """The GPU endpoints and jobs of Azure Machine Learning."""

    azureml_endpoint: kinds.Url | None = Field(
        None,
        description="An online endpoint that speaks OpenAI's chat completions, up to its `/v1`; `azureml/<model>` asks "
        "it.",
    )
    azureml_key: kinds.ApiKey | None = Field(
        None, description="Secret. The key of that endpoint; without it a Microsoft Entra identity is used."
    )
    azureml_endpoints_file: Path | None = Field(
        None, description="A JSON file with several endpoints, each `azureml/<its name>`, and with templates of jobs."
    )
    azureml_wait_seconds_max: Seconds = Field(
        30,
        gt=0,
        description="How long a call may wait for its turn at a busy endpoint, in seconds, before its agent rests.",
    )
    azureml_workspace: Workspace | None = Field(
        None, description="The resource id of the Azure Machine Learning workspace that runs GPU jobs."
    )
    azureml_management_url: kinds.Url = Field(
        "https://management.azure.com", description="Azure Resource Manager, where that workspace's jobs are submitted."
    )
