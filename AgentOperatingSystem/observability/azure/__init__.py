"""Telemetry to Application Insights: the supported way (`monitor`) and the retired one (`opencensus`)."""
