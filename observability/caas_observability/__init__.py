"""Telemetry: its set-up in a service, the OTLP receiver, correlation and redaction.

Knows no service and no case; which attempt owns a record is the runner's.
"""
