"""One process that forks, watches and ends all others.

Which services there are is decided in `assembly`; how it looks to a person, in `console`.
"""
