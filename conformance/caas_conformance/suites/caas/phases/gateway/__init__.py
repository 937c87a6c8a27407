"""What the gateway answers by itself, and how it hands on.

What it passes on is judged with the service behind.
"""
