"""What every service does: health, documents, HTTP rules, idempotency, telemetry.

What only one of them does is in the other rooms.
"""
