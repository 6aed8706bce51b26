"""Runs Python that a model wrote: here, in a cage (`local`), or in Azure Container Apps dynamic sessions (`azure`).

Nothing is imported here: the first process of a cage imports its own part of this package and should start fast.
docs/sandbox.md says what is contained and what is not.
"""
