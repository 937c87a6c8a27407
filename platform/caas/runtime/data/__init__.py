"""Connections to MongoDB and Redis, and what it means when one is away.

No queries: those are in each service's `store`.
"""
