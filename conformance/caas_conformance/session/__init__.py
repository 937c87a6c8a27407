"""One run from the wish to the files on disk: what holds engine, correlation and verdicts together.

Also what a killed run left to be finished. How a run is asked for and shown is in `cli`.
"""
