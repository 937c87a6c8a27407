"""The auth use cases: one class per subject, one method per thing a caller can ask for."""
