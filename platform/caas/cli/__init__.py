"""The command `caas`: a group whose subcommands are entry points of other packages."""
