"""What stands behind `function_app.py`: the system of one worker process, made at the first invocation, and each
trigger's way to it.

Importing this package loads neither the system nor a vendor's SDK; that waits for the first invocation.
"""
