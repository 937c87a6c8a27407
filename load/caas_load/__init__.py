"""Benchmarks against peers: ours and theirs on the same machine, in turn, as ratios.

Imports nothing of `caas`: a service under test is a process that is started and called.
"""
