"""API keys: a company's own pair, named ones, and what a presented key may do.

How a key is spelt and digested is in `caas.auth.domain.keys`.
"""
