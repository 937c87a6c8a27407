"""Who is calling: tokens, key sets, revocation, the service secret, trusted peers.

No storage and no routes: accounts and sessions belong to the auth service.
"""
