"""The suite of the CAAS platform: phases, context, fixtures, operations, requirements, baseline.

It knows the platform by its wire alone.
"""

from importlib.resources import files

BASELINE = files(__name__) / "baseline.json"
"""What the seed's report said; `caas_reports` finds it by entry point."""
