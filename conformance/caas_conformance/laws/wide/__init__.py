"""Laws of a platform as a whole: scopes, limits, spellings, what is recorded, numbers and times.

Laws that judge what one operation does for whom are in the room above.
"""
