"""From attempts to verdicts, gates and the finished model of a run.

Executing them is in `engine`; the model itself, and its documents, in `caas_reports`.
"""
