"""Executing a plan: targets, attempts side by side, the run's directory, pauses of the machine.

What the outcome means is in `verdicts`; who puts it all together is `session`.
"""
