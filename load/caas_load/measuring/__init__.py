"""How benchmarks measure: load generation, processes, interleaved rounds, proof of equal work."""
