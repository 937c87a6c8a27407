"""`caas conformance`: commands, progress and what they print."""
