"""What can end a case early, or a run, split by whose fault it is.

Of a case:
* AuthoringError          it is written wrongly: verdict `error`, or exit 2 before the run
* EnvironmentBrokenError  the platform can't be reached: verdict `error`
* CaseStoppedError        nothing more may be learned: verdict from the checks
* CaseSkippedError        it says why it does not apply: verdict `skipped`

Of a run, exit 3:
* TargetError             there is no platform to test
  x AddressError          what was typed as an address is none: exit 2
* ReportsIncompleteError  a report can't be written
"""


class AuthoringError(Exception):
    """A case, a phase or the requirement list breaks a rule of the suite."""


class EnvironmentBrokenError(Exception):
    """The platform or the machine, not its behaviour, kept a case from being judged."""


class CaseStoppedError(Exception):
    """A MUST check failed, so the rest of the case would judge nothing."""


class CaseSkippedError(Exception):
    """The case does not apply here; the message says why."""


class TargetError(Exception):
    """There is no platform to test; the message is one line that says what to do."""


class AddressError(TargetError):
    """What was typed as an address or a service's name is none; the message is one line."""


class ReportsIncompleteError(Exception):
    """A report could not be written; `run.json` is there."""
