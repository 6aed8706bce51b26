"""What a model may use: functions as tools, a cage for the programs that it writes, the web, documents.

Agents hand these to their models; everything here treats what a model says as coming from a stranger.
"""
