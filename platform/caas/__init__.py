"""CAAS: the platform's services and their shared kernel."""
