"""The kernel: turns, commits, lifecycle, schedules, routes."""
