"""A client of the platform: registration, login, API keys, whitelists.

Its end users are in `users`; what the gateway shows of it, in `gateway`.
"""
