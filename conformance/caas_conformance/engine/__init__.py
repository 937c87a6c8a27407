"""Executing a plan: targets, attempts side by side, the run's directory, recovery after a kill.

What the outcome means is in `verdicts`.
"""
