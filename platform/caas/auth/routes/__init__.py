"""The auth HTTP API: decode, call one use case, encode."""
