"""The triage desk: one perpetual agent per GitHub repository. `python -m examples.triage_desk` runs it."""
