"""The phases, one module each."""
