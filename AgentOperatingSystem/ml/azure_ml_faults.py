"""What an online endpoint of Azure Machine Learning means by its refusals, in words that say what to do. Pure.

`azure_ml` gives it to the HTTP edge in place of `faults.from_status`. Source:
https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints (HTTP status codes).
"""

import re
from collections.abc import Mapping
from typing import Any

from AgentOperatingSystem.errors import ModelError, ModelUnauthorized, ModelUnavailable
from AgentOperatingSystem.ml.faults import from_status, message_of, retry_after_seconds

MODEL_ERROR = 424
"""The endpoint is well; its container answered with another status than 200."""
MODEL_STATUS = "ms-azureml-model-error-statuscode"
MODEL_REASON = "ms-azureml-model-error-reason"
TOO_SLOW = (
    "the answer took longer than the deployment's request_timeout_ms (5000 where nobody set it): set it to as much as "
    "180000, ask for fewer tokens, or submit a job"
)
# The server behind the gateway speaks: vLLM's words for a model or an adapter that it has not loaded, and others'.
_NO_MODEL = re.compile(r"no model\b|\bmodel\b.*(does not exist|not found|unknown)", re.IGNORECASE)
SCORER = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action"


def refused(who: str, status: int, body: Any, headers: Mapping[str, str]) -> ModelError:
    """The error for a refused call. `headers` has lower-case names."""
    if status == MODEL_ERROR:
        return _of_the_model(who, body, headers)
    said = f"{who}: {status}: {message_of(body)}"
    after = retry_after_seconds(headers, body)
    if status in (401, 403):
        return ModelUnauthorized(
            f"{said}; the key is wrong, or the identity lacks the role 'AzureML Data Scientist' on the endpoint"
            f" (it gives {SCORER})"
        )
    if status == 404 and not _NO_MODEL.search(message_of(body)):
        return ModelUnavailable(f"{said}; no deployment of the endpoint takes traffic, or not the one that is named")
    if status == 408:
        return ModelUnavailable(f"{said}; {TOO_SLOW}", after)
    return from_status(who, status, body, headers)


def _of_the_model(who: str, body: Any, headers: Mapping[str, str]) -> ModelError:
    """As if its container had answered to us; without a status it is down, or still loading the model."""
    told = headers.get(MODEL_STATUS, "")
    status = int(told) if told.isascii() and told.isdigit() and 400 <= int(told) <= 599 else 503
    return from_status(f"{who}: its model", status, body or headers.get(MODEL_REASON, ""), headers)
