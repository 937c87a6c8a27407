"""The auth service: client accounts, API keys, end users, sessions, tokens and whitelists.

Owns the collections `clients`, `api_keys`, `users`, `sessions` and `signing_keys`, the login
limits in Redis, and the revocation stream that every other service follows. Speaks HTTP
(`routes`), publishes `caas.contracts.auth`. Depends on no other service.
"""
