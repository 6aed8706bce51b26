"""The boardroom: CEO, CFO and CTO, perpetual agents, vote on proposals. `python -m examples.boardroom` runs it."""
