"""How Azure Functions triggers the system: schedules, and the app settings by which the host connects."""

from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings

AppSetting = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.\-]{0,127}$")]
Ncrontab = Annotated[str, StringConstraints(pattern=r"^\S+( \S+){4,5}$")]


class FunctionsSettings(BaseSettings):
    """How Azure Functions triggers the system."""

    functions_pulse_schedule: Ncrontab = Field(
        "0 */5 * * * *",
        description="When Azure Functions rings the pulse (retention, collection of blobs), as NCRONTAB in UTC.",
    )
    functions_event_grid: bool = Field(
        False, description="Whether Azure Functions offers an Event Grid trigger, of function `event_grid`."
    )
    functions_servicebus_connection: AppSetting | None = Field(
        None,
        description="The app setting, or the prefix of app settings, by which the Functions host connects to Service "
        "Bus; none means the variable that configures this system, else `ServiceBusConnection`.",
    )
    functions_storage_connection: AppSetting | None = Field(
        None,
        description="The app setting, or the prefix of app settings, by which the Functions host connects to the "
        "storage account's queues; none means the variable that configures this system, else `AzureWebJobsStorage`.",
    )
