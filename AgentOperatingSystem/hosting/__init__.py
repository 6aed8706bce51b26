"""Who keeps the loop turning: the local host."""
