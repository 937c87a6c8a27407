"""Telemetry of a service: spans, logs and metrics recorded, redacted and exported.

The other end, which receives them, is in `receiver`.
"""
