"""Benchmarks against peers and load users; imports nothing of `caas`."""
