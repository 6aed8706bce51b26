"""Which messages a subscription gets: correlation filters, SQL filters and their actions. Pure functions."""
