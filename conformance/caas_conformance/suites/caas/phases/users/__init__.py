"""An end user: SDK sessions, tokens, refresh, profile, logout."""
