"""CAAS: the platform's services, a package each, and what they stand on.

What drives and judges them from outside imports nothing of it.
"""
