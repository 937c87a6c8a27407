"""HTTP in tests: applications on the real server, and peers that answer byte for byte.

The exact client that the conformance runner has is not here.
"""
