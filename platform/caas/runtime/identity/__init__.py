"""Who is calling: tokens, their revocation, and the secret between services.

No storage and no routes: accounts and sessions belong to the auth service.
"""
