"""The context server, and the Model Context Protocol around it."""
