"""The auth HTTP API: decode, call one use case, encode.

What is decided is in `service`; the bodies are in `schemas` and `caas.contracts.auth`.
"""
