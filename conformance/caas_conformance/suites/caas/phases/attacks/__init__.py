"""What somebody else must not get: other tenants, forged tokens and headers, open routes.

What an honest caller is refused stands with the behaviour it belongs to.
"""
