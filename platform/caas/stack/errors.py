"""What can keep a stack from running."""


class StackError(Exception):
    """The environment, not the platform, is at fault; the text says what to do about it.

    The command line prints it as one line and exits with code 3.
    """


class PortTakenError(StackError):
    """Another process listens on a port that the stack needs."""
