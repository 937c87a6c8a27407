"""What can end a case early, split by whose fault it is.

* AuthoringError       the case is written wrongly: verdict `error`, or exit 2 before the run
* EnvironmentBroken    the platform can't be reached: verdict `error`
* CaseStopped          a check failed, or nothing more may be learned: verdict from the checks
* CaseSkipped          the case says why it does not apply: verdict `skipped`
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
