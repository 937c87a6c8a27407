"""What is so for every operation: the laws, over the facts of this suite.

The laws themselves are in `caas_conformance.laws`.
"""
