"""What happens when something is taken away: last in a run, and alone.

How it is taken away is in the table of facts.
"""
