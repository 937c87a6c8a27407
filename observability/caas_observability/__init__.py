"""Telemetry set-up for services, the OTLP receiver, correlation and redaction."""
