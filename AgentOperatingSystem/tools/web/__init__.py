"""The web for agents: one transport that reaches public addresses only, a page reader and a search on top of it."""
