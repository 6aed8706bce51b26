"""The benchmark: the canonical work on this system, on what is physically there, and on others, side by side.

`rounds.benchmark(Plan(...))` runs it and returns a report that is plain JSON; `table.tables` shows the report to a
person. The way down: `rounds` (who, what, how often) → `child` (one run, a process of its own) → `runner` (the closed
loop) → a `contestant.Contestant`. Nothing is imported here: a child may run in an interpreter that has the standard
library only.
"""
