"""What the gates of a run are judged by, besides its cases: kept, so that parts can be merged."""

import msgspec


class GateLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run must reach besides its checks."""

    min_cases: int = 1  # green ones, at least
    max_flaky: int = 0  # cases that may disagree with themselves
    p95_ms: float | None = None  # of exchange times; None is no limit
    min_coverage: float | None = None  # percent of the built requirements that a case names
    min_shown: float | None = None  # percent of those that a fault shows to turn a case red
    telemetry: bool = True  # whether it was collected; without it its gates are skipped
    whole: bool = False  # the plan is the whole suite, so that what was never seen is a gap


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What gates judge and the cases do not say."""

    vacuous: tuple[str, ...] = ()  # ids of cases
    inconclusive: dict[str, int] = {}  # attempts that were set aside, by case
    mix_ups: int = 0  # records under one attempt that name another
    mix_up_examples: tuple[str, ...] = ()
    lost_records: int = 0
    refused_telemetry: dict[str, int] = {}  # exports and records, by reason
    leaks: int = 0  # secrets that had to be blotted out
    answered: int = 0  # exchanges that a service has to have written its access line about
    unproven: int = 0  # those of which it did not
    unproven_examples: tuple[str, ...] = ()
    died: tuple[str, ...] = ()  # services, and what became of them
    has_contract: bool = False
    unusable_contracts: dict[str, str] = {}  # why, by service
    contract_exceptions: tuple[str, ...] = ()  # operations whose success no case can see


class Shard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which part of a plan a run took; the parts together are merged into one report."""

    index: int  # from 1
    count: int
    plan: tuple[str, ...]  # the whole of it: ids of cases
