"""What somebody else must not get: other tenants, forged tokens and headers, open routes."""
