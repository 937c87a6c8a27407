"""The ports on MongoDB and Redis: Beanie for inserts and indexes, raw commands for the rest.

What is promised is in `ports`; nothing is decided here.
"""
