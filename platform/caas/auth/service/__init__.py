"""The auth use cases: one class per subject, one method per thing a caller can ask for.

Rules without I/O are in `domain`, drivers in `store`; no framework is known here.
"""
