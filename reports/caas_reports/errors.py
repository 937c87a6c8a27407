"""What can go wrong with reports; every message is one line that says what to do.

ReportError
 x UnknownFormatError     there is no such format
 x UnreadableRunError     the run is not there, or is not one
 x UnreadableBaselineError  the baseline is not there, or is not one
 x UnreadableSeedReportError  the text is not a report of the seed runner
"""


class ReportError(Exception):
    """A report can't be made from what was given."""


class UnknownFormatError(ReportError):
    """There is no format of that name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no format is called {name!r}: choose from {', '.join(known)}")


class UnreadableRunError(ReportError):
    """The run is not there, or its file is not a run of this version."""


class UnreadableBaselineError(ReportError):
    """The baseline is not there, or its file is not a baseline of this version."""


class UnreadableSeedReportError(ReportError):
    """The text is not a report of the seed runner, or has parts that no rule knows."""
