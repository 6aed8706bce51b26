"""Budgets: reserved before a call, settled after it, charged in full where nobody knows what became of it."""
