"""The auth HTTP API's bodies, in the seed report's names."""
