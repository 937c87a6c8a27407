"""An end user: SDK sessions, tokens, refresh, profile, logout.

The company they belong to is in `accounts`.
"""
