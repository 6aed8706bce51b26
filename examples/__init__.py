"""Examples: numbered ones that show one thing each, the triage desk and the boardroom, which do a real job."""
