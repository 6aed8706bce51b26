"""Proof that the promises hold: benchmarks and injected faults, run by anybody on a laptop."""
