"""The command `caas`: a group whose subcommands are entry points of other packages.

No subcommand is here, and no package is imported for one.
"""
