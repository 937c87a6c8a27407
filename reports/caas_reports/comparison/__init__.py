"""A run beside another one, beside its history, or beside the seed's report.

A run by itself is in `model`.
"""
