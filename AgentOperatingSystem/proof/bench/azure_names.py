"""The requests that contestants on Azure count, by what the service bills them as."""

from typing import Final

COUNTED: Final = ("transactions", "reads", "writes", "blob_writes", "blob_reads")
