"""X08: what only the owner of the platform can try: its own key, its files, its stores."""

import stat
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from caas_conformance.authoring import Answer, Phase, Value, claims, derived, header
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import ALLOWED_ORIGIN, CaasContext
from caas_conformance.suites.caas.fixtures import Session
from caas_conformance.suites.caas.greybox import Signer

PHASE = Phase(
    "X08",
    "Insides",
    "Tokens signed with the platform's own key, its files and stores; on a run's own platform.",
    tags=("greybox", "security"),
)

HOUR_S = 3600
DAY_S = 24 * HOUR_S
ALIEN_KID = "0" * 43
Parts = tuple[dict[str, Any], dict[str, Any]]


def _claims(live: Mapping[str, Any]) -> dict[str, dict[str, Any] | str]:
    """Return the live token's claims, each time with one thing wrong."""
    now = int(time.time())

    def but(**changes: Any) -> dict[str, Any]:
        return {**live, **changes}

    def without(name: str) -> dict[str, Any]:
        return {k: v for k, v in live.items() if k != name}

    twice = msgspec.json.encode(live).decode()[:-1] + f',"exp":{now + DAY_S}}}'
    return {
        "another-issuer": but(iss="someone-else"),
        "issuers-in-a-list": but(iss=[live["iss"]]),
        "no-issuer": without("iss"),
        "another-audience": but(aud="someone-else"),
        "two-audiences": but(aud=[live["aud"], "someone-else"]),
        "no-audience": without("aud"),
        "expired": but(exp=now - 2, iat=now - HOUR_S),
        "expired-with-leeway": but(exp=now - 1, iat=now - HOUR_S),
        "no-expiry": without("exp"),
        "expiry-as-text": but(exp=str(now + HOUR_S)),
        "issued-tomorrow": but(iat=now + DAY_S, exp=now + 2 * DAY_S),
        "no-time-of-issue": without("iat"),
        "not-before-tomorrow": but(nbf=now + DAY_S),
        "not-before-as-text": but(nbf="yesterday"),
        "no-id": without("jti"),
        "no-user": without("user_id"),
        "no-tenant": without("tenant_id"),
        "no-session": without("session_id"),
        "no-type": without("type"),
        "refresh-type": but(type="refresh"),
        "unknown-type": but(type="root"),
        "permissions-as-text": but(permissions="user:read"),
        "a-claim-twice": twice,
        "no-object": "[]",
    }


def _headers(live: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the live token's header, each time with one thing wrong."""
    return {
        "algorithm-none": {**live, "alg": "none"},
        "algorithm-renamed": {**live, "alg": "Ed25519"},
        "algorithm-symmetric": {**live, "alg": "HS256"},
        "another-type": {**live, "typ": "at+jwt"},
        "no-type": {k: v for k, v in live.items() if k != "typ"},
        "critical-extension": {**live, "crit": ["exp"], "exp": 1},
        "unencoded-payload": {**live, "crit": ["b64"], "b64": False},
        "compressed": {**live, "zip": "DEF"},
        "another-key": {**live, "kid": ALIEN_KID},
        "no-key": {k: v for k, v in live.items() if k != "kid"},
        "key-elsewhere": {**live, "jku": "http://127.0.0.1:9/jwks.json"},
    }


@PHASE.case(
    "X08.01",
    "A good signature is not enough: one wrong claim, and the token is refused",
    proves="Whatever makes a token wrong is looked at, at every service and instance.",
    requirements=["LAW-17"],
    tags=["jwt", "negative"],
)
async def wrong_claim_is_refused(t: CaasContext) -> None:
    """Red when a place that reads tokens does not look at one of the claims."""
    session, signer = await _signed(t)
    head, body = header(session.access_token), claims(session.access_token)
    await _accepted_everywhere(t, t.secret(signer.sign(head, {**body, "jti": t.unique("j")})))
    for name, changed in _claims(body).items():
        await _refused_everywhere(t, name, t.secret(signer.sign(head, changed)))


@PHASE.case(
    "X08.02",
    "A good signature is not enough: one wrong header, and the token is refused",
    proves="The header can't talk a verifier into anything, even when it is signed.",
    requirements=["LAW-17"],
    tags=["jwt", "negative"],
)
async def wrong_header_is_refused(t: CaasContext) -> None:
    """Red when a verifier follows a header, or overlooks one that it does not know."""
    session, signer = await _signed(t)
    head, body = header(session.access_token), claims(session.access_token)
    await _accepted_everywhere(t, t.secret(signer.sign(head, {**body, "jti": t.unique("j")})))
    for name, changed in _headers(head).items():
        await _refused_everywhere(t, name, t.secret(signer.sign(changed, body)))


async def _signed(t: CaasContext) -> tuple[Session, Signer]:
    session = await (await t.tenants.register()).session()
    kid = str(header(session.access_token).get("kid"))
    return session, await t.insides.signer(kid)


async def _everywhere(t: CaasContext, token: str) -> list[Answer]:
    bearer = {"authorization": f"Bearer {token}"}
    answers = []
    for auth in t.instances("auth-service"):
        answers.append(await auth.post(ops.VALIDATE, json={"token": token}))
        answers.append(
            await auth.post(ops.INTROSPECT, json={"token": token}, headers=t.service_secret())
        )
        answers.append(await auth.get(ops.PROFILE, headers=bearer))
    return answers + [
        await gateway.get(ops.GATEWAY_SESSIONS, headers=bearer)
        for gateway in t.instances("gateway")
    ]


async def _accepted_everywhere(t: CaasContext, token: str) -> None:
    answers = await _everywhere(t, token)
    with t.check("control", "signed with nothing wrong, a token is accepted everywhere") as check:
        for answer in answers:
            check.status(answer, 200)


async def _refused_everywhere(t: CaasContext, name: str, token: str) -> None:
    answers = await _everywhere(t, token)
    with t.check(name, f"{name.replace('-', ' ')}: refused everywhere", go_on=True) as check:
        for answer in answers:
            check.problem(answer, 401, because="each place has its own word for a bad token")


@PHASE.case(
    "X08.03",
    "Files with secrets are their owner's alone, and no file holds a customer's",
    proves="Whoever can read the disk of a machine does not thereby have the platform's secrets.",
    requirements=["LAW-17"],
)
async def files_keep_secrets(t: CaasContext) -> None:
    """Red when a file with a secret can be read by others, or a log or store holds one in clear."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    admin = await tenant.login()
    insides = t.insides
    kept = {name: text for name, text in insides.kept_secrets().items() if text}
    found = insides.holding(kept)
    with t.check("mode", "what holds the platform's secrets is 0600 below a folder of 0700") as c:
        modes = {
            path: oct(stat.S_IMODE((insides.state_dir / path).stat().st_mode)) for path in found
        }
        c.equal(Value("modes of files with secrets", modes), dict.fromkeys(modes, "0o600"))
        c.between(Value("files with secrets", len(modes)), 1, 10)
        folder = oct(stat.S_IMODE(insides.state_dir.stat().st_mode))
        c.equal(Value("mode of the folder", folder), "0o700")
    with t.check("places", "they stand in no log and in no store") as check:
        elsewhere = sorted(path for path in found if "/" in path)
        check.equal(Value("files with secrets in folders", elsewhere), [])
    customers = {
        "password": tenant.password, "api key": tenant.api_key, "api secret": tenant.api_secret,
        "access token": session.access_token, "refresh token": session.refresh_token,
        "administrator's token": admin.token,
    }  # fmt: skip
    with t.check("customers", "a customer's secrets stand nowhere in clear") as check:
        check.equal(Value("files with a customer's secrets", insides.holding(customers)), {})


@PHASE.case(
    "X08.04",
    "Stored answers are sealed, and live as long as promised",
    proves="A dump of the store gives nobody the keys that were shown once.",
    requirements=["LAW-17"],
    tags=["idempotency"],
)
async def stored_answers_are_sealed(t: CaasContext) -> None:
    """Red when an answer, a key or a password lies in the store, or for ever, or too short."""
    before = {key async for key, _, _ in t.insides.stored()}
    idempotency_key = t.secret(t.unique("stored"))
    body = {
        "company_name": t.unique("Stored Ltd"),
        "email": t.email("stored"),
        "password": t.password(),
    }
    answer = await t.gateway.post(
        "/v1/client/register", json=body, headers={"idempotency-key": idempotency_key}
    )
    key, secret = t.need(answer, "api_key", "api_secret")
    texts = {
        "api key": t.secret(key), "api secret": t.secret(secret), "password": body["password"],
        "idempotency key": idempotency_key, "e-mail address": body["email"],
    }  # fmt: skip
    found: list[str] = []
    lives: list[int] = []
    async for name, value, ttl_s in t.insides.stored():
        found += [what for what, text in texts.items() if text.encode() in name.encode() + value]
        if "idempotency" in name and name not in before:
            lives.append(ttl_s)
    with t.check("sealed", "nothing of the answer can be read in the store") as check:
        check.status(answer, 201)
        check.equal(derived("found in clear", sorted(set(found)), of=[answer]), [])
    with t.check("kept", "stored answers live for a day, and no longer") as check:
        check.between(derived("stored answers", len(lives), of=[answer]), 1, 10_000)
        check.between(derived("longest life", max(lives, default=0), of=[answer]), 1, DAY_S)
        check.between(
            derived("this one's life", max(lives, default=0), of=[answer]), DAY_S - 600, DAY_S
        )


@PHASE.case(
    "X08.05",
    "An allowed web origin is granted, and nothing that only looks like it",
    proves="The browser application that the operator named works, and no other.",
    requirements=["LAW-17"],
    tags=["cors"],
)
async def allowed_origin_is_granted(t: CaasContext) -> None:
    """Red when the allowed origin is refused, or another one is granted by likeness."""
    likenesses = {
        "http": ALLOWED_ORIGIN.replace("https", "http"),
        "port": f"{ALLOWED_ORIGIN}:8443",
        "suffix": f"{ALLOWED_ORIGIN}.evil.example",
        "prefix": ALLOWED_ORIGIN.replace("https://", "https://evil-"),
        "parent": ALLOWED_ORIGIN.replace("app.", ""),
        "null": "null",
    }
    _ = t.insides  # its setting is the run's own
    for service in t.service_names:
        for number, client in enumerate(t.instances(service)):
            granted = await client.get("/health", headers={"origin": ALLOWED_ORIGIN})
            preflight = await client.options(
                "/health",
                headers={"origin": ALLOWED_ORIGIN, "access-control-request-method": "GET"},
            )
            with t.check(f"granted-{service}-{number}", f"{service} grants it") as check:
                check.status(granted, 200)
                for answer in (granted, preflight):
                    check.header(answer, "access-control-allow-origin", ALLOWED_ORIGIN)
                    check.header(answer, "access-control-allow-credentials", "true")
                    check.contains(answer.header("vary"), "Origin")
                check.contains(preflight.header("access-control-allow-methods"), "GET")
                check.contains(preflight.header("access-control-allow-headers"), "authorization")
        for name, origin in likenesses.items():
            answer = await t.service(service).get("/health", headers={"origin": origin})
            with t.check(f"not-{name}-{service}", f"{service} does not grant {name}") as check:
                check.status(answer, 200)
                check.no_header(answer, "access-control-allow-origin")
                check.no_header(answer, "access-control-allow-credentials")
