"""Everything that a deployment on Azure consists of, on one machine: Azurite, the local Service Bus, and the local
Functions host with the real `function_app.py`, wired together. For development and tests.

    settings → azurite → Service Bus (in this process) → Functions host … signal → the same backwards

`aos up --azure-local` runs it.
"""
