"""What benchmarks run: the platform, its peers and small servers around them.

The peers' own programs are in `load/peers`; nothing here measures.
"""
