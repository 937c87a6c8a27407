"""The report model and its writers: `run.json` in, documents for people and machines out.

Nothing here runs or judges a case: a run is finished when it comes here.
"""
