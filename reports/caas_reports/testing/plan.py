"""What a made-up run is made of: phases, requirements, and a template for each kind of case."""

from typing import NamedTuple

from caas_reports.model import Level, Phase, Requirement, Verdict

PHASES = (
    Phase(id="S01", title="Health", description="Every service says whether it can work."),
    Phase(id="S02", title="Client registration", description="A company becomes a tenant."),
    Phase(id="S05", title="SDK sessions", description="A tenant's end users get a session."),
    Phase(id="S08", title="Gateway routes", description="The front door, as a signed-in user."),
    Phase(id="S11", title="Realtime", description="Several users in one conversation."),
    Phase(id="T04", title="Streaming answers", description="A model's answer, chunk by chunk."),
)

REQUIREMENTS = (
    Requirement(
        id="HEALTH-1",
        proofs={"health_lies": ("S01.01",)},
        text="Every service answers its health route without credentials.",
        source="flow-explanation",
        anchor="Phase 1",
    ),
    Requirement(
        id="TENANT-1",
        text="A registered tenant sees its own company on the very next call.",
        source="flow-explanation",
        anchor="Phase 6",
    ),
    Requirement(
        id="TENANT-2",
        text="One e-mail address makes exactly one tenant.",
        source="flow-explanation",
        anchor="Phase 2",
    ),
    Requirement(
        id="SESSION-1",
        text="An SDK session carries an access token, a refresh token and the user.",
        source="flow-explanation",
        anchor="Phase 4",
    ),
    Requirement(
        id="LIMIT-1",
        level=Level.SHOULD,
        text="Rate-limited routes say what is left of the limit.",
        source="seed-report",
        anchor="case 27",
    ),
    Requirement(
        id="CHAT-1",
        text="A message reaches every member of the conversation exactly once.",
        source="flow-explanation",
        anchor="Phase 8",
    ),
    Requirement(
        id="STREAM-1",
        text="A streamed answer ends with exactly one done event.",
        source="chat-guide",
        anchor="Streaming",
    ),
    Requirement(
        id="AUDIT-1",
        text="Every administrative act leaves an audit record.",
        source="flow-explanation",
        anchor="Phase 7",
    ),
    Requirement(
        id="CRYPTO-1",
        text="What was encrypted decrypts to the same text, and only with the right key.",
        source="flow-explanation",
        anchor="Phase 7",
        planned=True,
    ),
)


class Template(NamedTuple):
    """A case to be made, with the verdicts of its attempts."""

    title: str
    phase: str
    tags: tuple[str, ...]
    requirements: tuple[str, ...]
    baseline: tuple[int, ...]
    scenario: str
    verdicts: tuple[Verdict, ...]


TEMPLATES = (
    Template(
        "The gateway says that it is alive",
        "S01",
        ("health",),
        ("HEALTH-1",),
        (1,),
        "health",
        (Verdict.PASSED,),
    ),
    Template(
        "The gateway names its dependencies",
        "S01",
        ("health",),
        ("HEALTH-1",),
        (2, 3),
        "health",
        (Verdict.PASSED,),
    ),
    Template(
        "A company registers and becomes a tenant",
        "S02",
        ("auth", "client"),
        ("TENANT-2",),
        (12, 13),
        "register",
        (Verdict.PASSED,),
    ),
    Template(
        "A second registration of one e-mail is refused",
        "S02",
        ("auth", "client", "negative"),
        ("TENANT-2",),
        (14,),
        "register",
        (Verdict.FAILED, Verdict.PASSED),
    ),
    Template(
        "An API key opens a session for a user",
        "S05",
        ("auth", "sdk"),
        ("SESSION-1",),
        (19, 20),
        "session",
        (Verdict.PASSED,),
    ),
    Template(
        "A session needs an API key",
        "S05",
        ("auth", "sdk", "negative"),
        ("SESSION-1",),
        (21,),
        "session",
        (Verdict.ERROR,),
    ),
    Template(
        "A tenant reads its own company",
        "S08",
        ("gateway",),
        ("TENANT-1", "LIMIT-1"),
        (27, 111),
        "tenant",
        (Verdict.FAILED,),
    ),
    Template(
        "Usage counts what the tenant has",
        "S08",
        ("gateway",),
        ("TENANT-1",),
        (28, 113),
        "tenant",
        (Verdict.PASSED,),
    ),
    Template(
        "Responses say what is left of the limit",
        "S08",
        ("gateway", "limits"),
        ("LIMIT-1",),
        (),
        "tenant",
        (Verdict.WARNING,),
    ),
    Template(
        "A member's message reaches the other node",
        "S11",
        ("socket", "chat"),
        ("CHAT-1",),
        (46, 63),
        "socket",
        (Verdict.PASSED,),
    ),
    Template(
        "A stranger hears nothing of the conversation",
        "S11",
        ("socket", "chat", "negative"),
        ("CHAT-1",),
        (45, 62),
        "socket",
        (Verdict.FAILED, Verdict.FAILED),
    ),
    Template(
        "An answer streams and ends once",
        "T04",
        ("sse", "model"),
        ("STREAM-1",),
        (),
        "stream",
        (Verdict.PASSED,),
    ),
    Template(
        "A cut connection resumes where it stopped",
        "T04",
        ("sse", "model"),
        ("STREAM-1",),
        (),
        "stream",
        (),
    ),
    Template(
        "An observer sees the running stream",
        "T04",
        ("sse", "supervisor"),
        ("STREAM-1",),
        (),
        "stream",
        (Verdict.SKIPPED,),
    ),
)
