"""Searching the web: one tool, and a provider behind it that settings choose. Each provider is two pure functions."""
