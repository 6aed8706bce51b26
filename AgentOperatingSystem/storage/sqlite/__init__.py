"""The embedded store: one SQLite file with group commit."""
