"""The seeded simulator: the real kernel on several hosts under injected faults, in virtual time.

`run.run(seeds)` is what `aos faults --seeds` prints; `simulation.simulate(seed)` is one world, which the same seed
makes again bit by bit.
"""
