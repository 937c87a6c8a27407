"""The suite of the CAAS platform: phases, fixtures, operations, requirements."""
