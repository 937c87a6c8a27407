"""What broke: findings from a failed attempt's own evidence, grouped into causes.

How they are shown is in `formats` and `page`.
"""
