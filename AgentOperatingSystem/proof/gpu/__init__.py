"""A GPU service on this machine: an endpoint and a workspace that break as Azure's do, and what is proved with them.

`endpoint.serving` runs it; `kills` kills hosts that submit jobs to it; `crowd` measures many agents at one endpoint;
`serve` is a server with a small transformer and LoRA adapters, for a GPU where one is at hand.
"""
