"""S06: tokens say who their bearer is, and anyone can check them."""

import time
from functools import partial

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from caas_conformance.authoring import (
    TIMESTAMP,
    UUID,
    Answer,
    Phase,
    derived,
    exactly,
    from_base64url,
    optional,
    pattern,
)
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "S06",
    "Tokens",
    "What stands in a token, who signed it, and what the public check says about it.",
    tags=("auth", "token"),
)

ACCESS_LIFETIME_S = 15 * 60
REFRESH_LIFETIME_S = 7 * 24 * 3600
CLOCK_SKEW_MAX_S = 60
PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "k")


@PHASE.case(
    "S06.01",
    "The public check recognises a live token",
    proves="Anyone who holds a token can learn that it is live, whose it is and its session.",
    requirements=["AUTH-TOK-01", "AUTH-TOK-02"],
    baseline=[23],
)
async def live_token_is_valid(t: CaasContext) -> None:
    """Red when a claim of the seed is missing or is not the token's own."""
    tenant = await t.tenants.register()
    session = await tenant.session()
    answer = await ops.validate(t, session.access_token)
    with t.check("valid", "valid, with every claim of the seed") as check:
        check.status(answer, 200)
        check.equal(answer.at("valid"), expected=True)
        check.matches(
            answer.at("payload"),
            {
                "jti": UUID,
                "user_id": session.user_id,
                "tenant_id": tenant.tenant_id,
                "email": session.email,
                "external_id": session.external_id,
                "session_id": session.session_id,
                "type": "access",
                "iat": int,
                "exp": int,
                "iss": "caas-auth-service",
            },
        )
        check.equal(answer.at("payload"), ops.token_claims(session.answer))
    with t.check("session", "the session is the token's, and open") as check:
        check.matches(
            answer.at("session"),
            {
                "session_id": session.session_id,
                "user_id": session.user_id,
                "tenant_id": tenant.tenant_id,
                "is_active": True,
                "created_at": TIMESTAMP,
                "expires_at": TIMESTAMP,
            },
        )


@PHASE.case(
    "S06.02",
    "The public check tells no insides",
    proves="The check returns nothing by which the session is stored or could be taken over.",
    requirements=["AUTH-TOK-03"],
    baseline=[23],
    tags=["security"],
)
async def check_tells_no_insides(t: CaasContext) -> None:
    """Red when the stored document is returned as it is."""
    session = await (await t.tenants.register()).session()
    answer = await ops.validate(t, session.access_token)
    with t.check("members", "the answer has the seed's three members and no others") as check:
        check.status(answer, 200)
        check.matches(answer.body, exactly({"valid": True, "payload": dict, "session": dict}))
    with t.check("no-insides", "no storage id, hash, or token in the session") as check:
        hidden = [f"session.{name}" for name in ops.STORAGE_MEMBERS]
        check.absent(answer, *hidden, "session.refresh_jti", "session.family", "session.head")
        check.lacks(answer.text, session.refresh_token)
        refresh_jti = ops.token_claims(session.answer, "refresh_token").at("jti")
        check.lacks(answer.text, refresh_jti)


@PHASE.case(
    "S06.03",
    "Tokens carry the seed's claims and the right lifetimes",
    proves="An access token lives 15 minutes, a refresh token 7 days, both from now.",
    requirements=["AUTH-TOK-02", "AUTH-TOK-04"],
    baseline=[19, 23],
)
async def lifetimes(t: CaasContext) -> None:
    """Red when a token lives longer or shorter than promised."""
    session = await (await t.tenants.register()).session()
    lifetimes_s = {"access_token": ACCESS_LIFETIME_S, "refresh_token": REFRESH_LIFETIME_S}
    for member, lifetime_s in lifetimes_s.items():
        found = ops.token_claims(session.answer, member)
        with t.check(f"lifetime-{member[:-6]}", f"{member} lives {lifetime_s} s") as check:
            check.equal(found.derive("lifetime_s", lambda c: c["exp"] - c["iat"]), lifetime_s)
            check.between(
                found.derive("age_s", lambda c: time.time() - c["iat"]),
                -CLOCK_SKEW_MAX_S,
                CLOCK_SKEW_MAX_S,
            )
            check.matches(
                found,
                {
                    "type": member[:-6],
                    "iss": "caas-auth-service",
                    "aud": "caas",
                    "session_id": session.session_id,
                    "user_id": session.user_id,
                },
            )


@PHASE.case(
    "S06.04",
    "Tokens are signed by a key of the published set",
    proves="Anyone can verify a token with the published keys, as this case does.",
    requirements=["AUTH-TOK-05", "AUTH-TOK-06"],
    baseline=[22],
    tags=["jwks"],
)
async def signature_verifies(t: CaasContext) -> None:
    """Red when the algorithm, the key id or the signature is not what the key set says."""
    session = await (await t.tenants.register()).session()
    found = ops.token_header(session.answer)
    with t.check("header", "EdDSA, a JWT, a key id, and no key material") as check:
        check.matches(found, exactly({"alg": "EdDSA", "typ": "JWT", "kid": str}))
    key_set = await t.auth.get(ops.JWKS)
    kid = found.at("kid").value
    keys = key_set.at("keys").derive("named", lambda ks: [k for k in ks if k.get("kid") == kid])
    with t.check("published", "the key set has exactly that key") as check:
        check.status(key_set, 200)
        check.matches(
            keys.derive("only", lambda ks: ks[0] if len(ks) == 1 else {}),
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": str},
        )
    with t.check("verifies", "its signature verifies both tokens") as check:
        for member in ("access_token", "refresh_token"):
            x = keys.at("0.x").value
            verified = session.answer.at(member).derive("verifies", partial(_verifies, x))
            check.equal(verified, expected=True)


def _verifies(x: str, token: str) -> bool:
    signed, _, signature = token.rpartition(".")
    key = Ed25519PublicKey.from_public_bytes(from_base64url(x))
    try:
        key.verify(from_base64url(signature), signed.encode())
    except InvalidSignature:
        return False
    return True


@PHASE.case(
    "S06.05",
    "The key set publishes no private key",
    proves="Whoever reads the key set can check tokens and can't make any.",
    requirements=["AUTH-TOK-06"],
    baseline=[22],
    tags=["jwks", "security"],
)
async def key_set_is_public(t: CaasContext) -> None:
    """Red when a private or symmetric member is published, or two keys share an id."""
    key_set = await t.auth.get(ops.JWKS)
    with t.check("public", "every key is a public Ed25519 key") as check:
        check.status(key_set, 200)
        check.header(key_set, "content-type", pattern(r"application/(jwk-set\+)?json.*", "JSON"))
        check.each(
            key_set.at("keys"),
            exactly(
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "alg": "EdDSA",
                    "use": "sig",
                    "kid": str,
                    "x": pattern(r"[\w-]{43}", "32 bytes in base64url"),
                    "key_ops": optional(["verify"]),
                }
            ),
        )
        for member in PRIVATE_MEMBERS:
            check.lacks(key_set.text, f'"{member}":')
    with t.check("kids-differ", "key ids are unique") as check:
        kids = key_set.at("keys").derive("kids", lambda ks: [k["kid"] for k in ks])
        count = kids.derive("distinct", lambda found: len(set(found)))
        check.equal(count, kids.length)


@PHASE.case(
    "S06.06",
    "Every token has its own id",
    proves="No two tokens share a jti, so that one can be told from another.",
    requirements=["AUTH-TOK-08"],
    baseline=[19, 20],
)
async def token_ids_are_unique(t: CaasContext) -> None:
    """Red when the jti is a constant or the session's id."""
    tenant = await t.tenants.register()
    answers: list[Answer] = [(await tenant.session()).answer for _ in range(3)]
    ids = [
        ops.token_claims(answer, member).at("jti").value
        for answer in answers
        for member in ("access_token", "refresh_token")
    ]
    with t.check("unique", "six tokens have six ids") as check:
        for answer in answers:
            check.uuid(ops.token_claims(answer).at("jti"))
        check.unique(derived("jtis", ids, of=answers))


def _refused(case_id: str, what: str, token: str) -> None:
    """Make the case that the public check refuses *token*."""

    @PHASE.case(
        case_id,
        f"{what} is refused by the public check",
        proves="A broken or made-up token is recognised as such.",
        requirements=["AUTH-TOK-07"],
        baseline=[24],
        tags=["negative"],
    )
    async def refused(t: CaasContext) -> None:
        """Red when it passes, or is answered with a 5xx or with claims."""
        session = await (await t.tenants.register()).session()
        answer = await ops.validate(t, token.replace("<live>", session.access_token))
        with t.check("refused", "401 with valid false and no claims") as check:
            check.problem(
                answer, 401, code="auth.token_refused", valid=False, error="Invalid token"
            )
            check.absent(answer, "payload", "session")
        live = await ops.validate(t, session.access_token)
        with t.check("live-accepted", "while the live token passes") as check:
            check.status(live, 200)
            check.equal(live.at("valid"), expected=True)


for _row in (
    ("S06.10", "The seed's broken token", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.invalid.payload"),
    ("S06.11", "A text", "not-a-token"),
    ("S06.12", "Two dots", ".."),
    ("S06.13", "A live token with a foreign character", "<live>*"),
):
    _refused(*_row)


@PHASE.case(
    "S06.14",
    "A check without a token is a 400",
    proves="Asking about no token, or about something that is none, is the caller's mistake.",
    requirements=["AUTH-TOK-07", "AUTH-SDK-09"],
    baseline=[23, 24],
    tags=["negative", "validation"],
)
async def token_is_required(t: CaasContext) -> None:
    """Red when a missing token is treated as an invalid one, or becomes a 5xx."""
    session = await (await t.tenants.register()).session()
    bodies: dict[str, object] = {
        "missing": {},
        "null": {"token": None},
        "number": {"token": 1},
        "operator": {"token": {"$ne": None}},
    }
    for name, body in bodies.items():
        answer = await t.auth.post(ops.VALIDATE, json=body)
        with t.check(f"refused-{name}", f"a {name} token is a 400 that names it") as check:
            check.problem(answer, 400, code="invalid_input", errors="token")
            check.absent(answer, "payload")
    live = await ops.validate(t, session.access_token)
    with t.check("live-accepted", "while a live token is recognised") as check:
        check.status(live, 200)
        check.equal(live.at("valid"), expected=True)
