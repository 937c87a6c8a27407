"""`caas conformance`: commands, progress and what they print.

What a command sets going is in `engine`; reports are `caas_reports`'.
"""
