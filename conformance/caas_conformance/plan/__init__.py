"""What a run will execute: discovery, selection, lint and requirements.

Everything here happens before the first byte is sent.
"""
