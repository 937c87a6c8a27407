"""The auth HTTP API's bodies, in the seed report's names.

Those that the gateway or another service reads are in `caas.contracts.auth`.
"""
