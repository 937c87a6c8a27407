"""The rules of accounts, keys, whitelists, sessions and tokens: pure values and functions.

Nothing here waits, stores or knows HTTP.
"""
