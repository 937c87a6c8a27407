"""What every service runs on: `http`, `identity`, `calls`, `data`, and `service`, which joins them.

Nothing here knows a service: what only one needs is in its own package.
"""
