"""Telemetry of the platform under test: collected until complete, and owned by attempts.

Decoding it is in `caas_observability.receiver`.
"""
