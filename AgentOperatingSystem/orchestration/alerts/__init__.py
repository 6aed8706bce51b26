"""Alerts: rules about metrics and about what lies in the store, and what begins and ends when they are broken.

Each host looks from time to time (`desk`), with the rules of `rules`; what it found goes as an event to the agent
`aos.alerts` (`agent`), whose state (`book`) is what fires now, for all hosts together.
"""
