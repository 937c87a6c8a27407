"""The report model and its writers: `run.json` in, documents for people and machines out."""
