"""A Functions host for this machine: runs the real `function_app.py` where Azure Functions Core Tools cannot be had.

    front (HTTP) · timers · pollers (Service Bus, Storage Queue)  →  engine  →  function_app.py

The engine is Microsoft's own runtime on Python 3.13 (the package azure-functions-runtime), and its SDK's binding
registry below. For development and tests; what it does not do stands in docs/functions.md.
"""
