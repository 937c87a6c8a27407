"""What a person at a terminal sees of a stack: progress, status, logs.

Nothing here starts, stops or watches a process of the stack by itself.
"""
