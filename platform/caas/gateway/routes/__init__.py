"""The gateway's edges: its own routes, and what it passes on."""
