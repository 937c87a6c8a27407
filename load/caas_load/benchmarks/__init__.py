"""The benchmarks, one file each: ours against a peer.

What is measured is in `contestants`, how in `measuring`.
"""
