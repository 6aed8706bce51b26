"""How the state machines of the contracts run: the same sequences each time, so many and no more."""

from hypothesis import Phase, settings


def bounded(examples: int, steps: int) -> settings:
    """A failing sequence is printed as it is: making it shorter would run for minutes."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
    )
