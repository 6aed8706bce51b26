"""Examples: numbered ones that show one thing each, and the triage desk, which does a real job."""
