"""What one stack keeps on disk: its directory, its secrets, its logs.

Data of MongoDB and Redis are their servers' own.
"""
