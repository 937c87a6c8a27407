"""How benchmarks measure: load generation, processes, interleaved rounds, proof of equal work.

What is measured is in `contestants`.
"""
