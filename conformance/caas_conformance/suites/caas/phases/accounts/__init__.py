"""A client of the platform: registration, login, API keys, whitelists."""
