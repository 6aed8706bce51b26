"""The garbage collector of a host: what was loaded at the start is left alone, and cycles are looked for less often.

A host makes many short-lived records and hardly any cycles; the interpreter's defaults walk all of them again and
again. Called once, when everything is imported, by `hosting/local.py`, and by the benchmark for every contestant
alike.
"""

import gc

YOUNG_MAX = 50_000
"""Records made before the young ones are looked at; the interpreter's default is 700."""


def calm() -> None:
    """Freezes what is there and collects less often; nothing is ever left uncollected.

    Doing it twice is the same as once.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 20, 20)
