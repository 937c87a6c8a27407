"""The servers that services need: embedded MongoDB and Valkey, or those an operator named.

Starting and watching processes in general is in `supervisor`.
"""
