"""What every service does: health, documents, HTTP rules, idempotency, telemetry."""
