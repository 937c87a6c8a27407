"""What is so of the platform as a whole: the wide laws, over the facts of this suite.

The laws themselves are in `caas_conformance.laws.wide`; those of single operations are in `laws`.
"""
