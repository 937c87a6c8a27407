"""S01: every service says, truthfully, whether it can work."""

from caas_conformance.authoring import SHOULD, TIMESTAMP, CaseContext, Phase

PHASE = Phase(
    "S01",
    "Health",
    "Probes that an operator or an orchestrator reads before anything else is tried.",
    tags=("health",),
)


@PHASE.case(
    "S01.01",
    "The gateway is alive",
    proves="The front door answers its liveness probe without any credential.",
    requirements=["HLT-01"],
    baseline=[1],
    tags=["gateway"],
)
async def gateway_alive(t: CaseContext) -> None:
    """The probe that the seed run accepted only with 200."""
    async with t.step("ask for the gateway's health"):
        answer = await t.gateway.get("/health")
    with t.check("alive", "the gateway says that it is healthy") as check:
        check.status(answer, 200)
        check.matches(answer.body, {"status": "ok", "timestamp": TIMESTAMP})


@PHASE.case(
    "S01.02",
    "Readiness names every dependency",
    proves="The gateway is ready only when the servers that it needs are up, and says which.",
    requirements=["HLT-03"],
    baseline=[3],
    tags=["gateway"],
)
async def gateway_ready(t: CaseContext) -> None:
    """Seed case 3 accepted any status; here each dependency has to be up."""
    async with t.step("ask whether the gateway is ready"):
        answer = await t.gateway.get("/internal/ready")
    with t.check("ready", "it is ready") as check:
        check.status(answer, 200)
        check.equal(answer.at("status"), "healthy")
    with t.check("dependencies-up", "every dependency it names is up") as check:
        dependencies = answer.at("dependencies")
        check.contains(dependencies, "redis")
        check.each(dependencies, "up")
    with t.check("not-cached", "no cache may answer for it", level=SHOULD) as check:
        check.header(answer, "cache-control", "no-store")


@PHASE.case(
    "S01.03",
    "Every service is alive and names itself",
    proves="Each service of the platform answers its own liveness probe under its own name.",
    requirements=["HLT-01"],
    baseline=[4],
    tags=["auth"],
)
async def every_service_alive(t: CaseContext) -> None:
    """One step for each service of the target."""
    for service in t.service_names:
        async with t.step(f"ask {service}"):
            answer = await t.service(service).get("/health")
            with t.check(f"alive-{service}", f"{service} is alive") as check:
                check.status(answer, 200)
                check.matches(answer.at("status"), str)
