"""Calls to other services: client, circuit breaker, deadlines.

What is asked of one service in particular stays with the caller, in its `clients`.
"""
