"""X02: tokens that somebody made or changed are refused, however cleverly."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from caas_conformance.authoring import (
    Phase,
    claims,
    encode_part,
    from_base64url,
    header,
    to_base64url,
)
from caas_conformance.suites.caas import operations as ops
from caas_conformance.suites.caas.context import CaasContext

PHASE = Phase(
    "X02",
    "JWT attacks",
    "Forged tokens at every place that reads one (RFC 8725).",
    tags=("security", "jwt", "negative"),
)

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493  # of Ed25519, RFC 8032, 5.1
Claims = dict[str, Any]


class Material:
    """What an attacker has: two live tokens, the public keys, and a key of their own."""

    def __init__(self, token: str, foreign: str, public: dict[str, Any], tenant_id: str) -> None:
        self.token = token
        self.foreign = foreign
        self.public = public
        self.tenant_id = tenant_id
        self.claims = claims(token)
        self.header = header(token)
        self.own = Ed25519PrivateKey.generate()

    @property
    def parts(self) -> list[str]:
        """The three parts of the live token."""
        return self.token.split(".")

    def own_jwk(self) -> dict[str, Any]:
        """Return the attacker's own public key."""
        raw = self.own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": to_base64url(raw), "kid": "attacker"}

    def signed(self, head: dict[str, Any], body: Claims | None = None) -> str:
        """Return a token signed with the attacker's own key."""
        unsigned = f"{encode_part(head)}.{encode_part(body or self.claims)}"
        return f"{unsigned}.{to_base64url(self.own.sign(unsigned.encode()))}"

    def hashed(self, head: dict[str, Any], secret: bytes) -> str:
        """Return a token signed with HMAC-SHA256 over *secret*."""
        unsigned = f"{encode_part(head)}.{encode_part(self.claims)}"
        return f"{unsigned}.{to_base64url(hmac.digest(secret, unsigned.encode(), hashlib.sha256))}"


def _named(keys: list[dict[str, Any]], kid: Any) -> dict[str, Any]:
    return next((key for key in keys if key.get("kid") == kid), {})


def _pem(public: dict[str, Any]) -> bytes:
    algorithm = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, 4
    spki = algorithm + from_base64url(str(public["x"]))
    body = base64.b64encode(spki).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()


def _unsigned(m: Material, algorithm: str) -> str:
    return f"{encode_part({**m.header, 'alg': algorithm})}.{m.parts[1]}."


def _symmetric(m: Material) -> dict[str, Any]:
    return {**m.header, "alg": "HS256"}


def _changed(m: Material, **changes: Any) -> str:
    return f"{m.parts[0]}.{encode_part({**m.claims, **changes})}.{m.parts[2]}"


def _malleable(m: Material) -> str:
    """Add the group order to S: an equal signature to a verifier that does not reduce-check."""
    signature = from_base64url(m.parts[2])
    s = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    return f"{m.parts[0]}.{m.parts[1]}.{to_base64url(signature[:32] + s.to_bytes(32, 'little'))}"


Forge = Callable[[Material], list[str]]
ATTACKS: tuple[tuple[str, str, list[str], Forge], ...] = (
    ("X02.01", "without a signature, as algorithm none", ["SEC-JWT-01"],
     lambda m: [_unsigned(m, name) for name in ("none", "None", "NONE", "nOnE")]),
    ("X02.02", "stripped of its signature", ["SEC-JWT-01"],
     lambda m: [f"{m.parts[0]}.{m.parts[1]}.", f"{m.parts[0]}.{m.parts[1]}"]),
    ("X02.03", "signed with HMAC over the public key", ["SEC-JWT-02"],
     lambda m: [m.hashed(_symmetric(m), key) for key in (
         from_base64url(str(m.public["x"])), str(m.public["x"]).encode(), _pem(m.public),
         _pem(m.public).strip(), msgspec.json.encode(m.public))]),
    ("X02.04", "signed with HMAC over nothing", ["SEC-JWT-02"],
     lambda m: [m.hashed(_symmetric(m), key) for key in (b"", b"secret", b"\0")]),
    ("X02.05", "that brings its own key along", ["SEC-JWT-03"],
     lambda m: [m.signed({**m.header, "jwk": m.own_jwk()}),
                m.signed({"alg": "EdDSA", "typ": "JWT", "jwk": m.own_jwk()})]),
    ("X02.06", "that points to a key set elsewhere", ["SEC-JWT-03"],
     lambda m: [m.signed({**m.header, name: "http://127.0.0.1:9/jwks.json"})
                for name in ("jku", "x5u")]),
    ("X02.07", "signed by a stranger under the platform's key id", ["SEC-JWT-04"],
     lambda m: [m.signed(m.header), m.signed({**m.header, "alg": "Ed25519"})]),
    ("X02.08", "under a key id that is a path or a query", ["SEC-JWT-04"],
     lambda m: [m.signed({**m.header, "kid": kid}) for kid in (
         "../../../../dev/null", "' OR '1'='1", '{"$ne": ""}', "attacker", "")]
     + [m.hashed({**_symmetric(m), "kid": "/dev/null"}, b"")]),
    ("X02.09", "without a key id", ["SEC-JWT-04"],
     lambda m: [m.signed({"alg": "EdDSA", "typ": "JWT"}),
                m.signed({"alg": "EdDSA", "typ": "JWT", "kid": None})]),
    ("X02.10", "with another company in its payload", ["SEC-JWT-08", "SEC-TEN-01"],
     lambda m: [_changed(m, tenant_id=m.tenant_id)]),
    ("X02.11", "with more power in its payload", ["SEC-JWT-08"],
     lambda m: [_changed(m, role="tenant_admin"), _changed(m, type="client"),
                _changed(m, exp=m.claims["exp"] + 86400)]),
    ("X02.12", "with the signature of another live token", ["SEC-JWT-08"],
     lambda m: [".".join([*m.parts[:2], m.foreign.split(".")[2]]),
                ".".join([*m.foreign.split(".")[:2], m.parts[2]])]),
    ("X02.13", "with a changed header", ["SEC-JWT-08"],
     lambda m: [f"{encode_part({**m.header, 'typ': 'at+jwt'})}.{m.parts[1]}.{m.parts[2]}",
                f"{encode_part({**m.header, 'crit': ['x'], 'x': 1})}.{m.parts[1]}.{m.parts[2]}"]),
    ("X02.14", "whose signature is spelt differently", ["SEC-JWT-08"],
     lambda m: [_malleable(m), m.token + "=", m.token + "\n"]),
)  # fmt: skip


def _attack(case_id: str, what: str, requirements: list[str], forge: Forge) -> None:
    """Make the case that tokens made by *forge* are refused everywhere."""

    @PHASE.case(
        case_id,
        f"A token {what} is refused",
        proves="Nobody becomes someone by forging a token: auth and gateway refuse it alike.",
        requirements=requirements,
        baseline=[24],
    )
    async def refused(t: CaasContext) -> None:
        """Red when one place reads the token with less care than the others."""
        tenant = await t.tenants.register()
        session = await tenant.session()
        foreign = await (await t.tenants.register()).session("charlie")
        key_set = await t.auth.get(ops.JWKS)
        kid = header(session.access_token).get("kid")
        public = key_set.at("keys").derive("own", lambda keys: _named(keys, kid))
        with t.check("public-key", "the attacker knows the public key") as check:
            check.status(key_set, 200)
            check.contains(key_set.text, str(kid))
        t.need_text(public.at("x"))
        other = ops.token_claims(foreign.answer).at("tenant_id").value
        material = Material(session.access_token, foreign.access_token, public.value, other)
        for number, token in enumerate(forge(material)):
            await _refused_everywhere(t, number, t.secret(token))
        live = await ops.validate(t, session.access_token)
        company = await t.gateway.get(ops.GATEWAY_TENANT, headers=session.bearer)
        with t.check("live-accepted", "while the real token is accepted") as check:
            check.status(live, 200)
            check.equal(live.at("payload.user_id"), session.user_id)
            check.status(company, 200)
            check.equal(company.at("tenant_id"), tenant.tenant_id)


async def _refused_everywhere(t: CaasContext, number: int, token: str) -> None:
    public = await ops.validate(t, token)
    service = await ops.introspect(t, token)
    with t.check(f"checks-{number}", f"forgery {number}: both token checks refuse it") as check:
        check.problem(public, 401, code="auth.token_refused", valid=False)
        check.problem(service, 401, code="auth.token_refused", valid=False)
        check.absent(public, "payload")
        check.absent(service, "payload")
    bearer = {"authorization": f"Bearer {token.strip()}"}
    if token.strip() != token:
        return  # a line break can't be sent in a header
    profile = await t.auth.get(ops.PROFILE, headers=bearer)
    company = await t.gateway.get(ops.GATEWAY_TENANT, headers=bearer)
    with t.check(f"bearer-{number}", f"forgery {number}: nobody's data is shown for it") as check:
        check.problem(profile, 401, code="invalid_token")
        check.problem(company, 401, code="invalid_token", statusCode=401)
        check.absent(profile, "user_id")
        check.absent(company, "tenant_id")


for _row in ATTACKS:
    _attack(*_row)


@PHASE.case(
    "X02.15",
    "A token of one type is not taken for another",
    proves="An administrator's token is no user's, and a refresh token is nobody's credential.",
    requirements=["SEC-JWT-07", "AUTH-REF-06"],
    baseline=[22, 71],
)
async def types_are_kept_apart(t: CaasContext) -> None:
    """Red when the verifier accepts any token with a good signature."""
    tenant = await t.tenants.register()
    admin = await tenant.login()
    session = await tenant.session()
    profile = await t.auth.get(ops.PROFILE, headers=admin.bearer)
    renewed = await ops.refresh(t, admin.token)
    rotated = await t.auth.post(ops.ROTATE, json={}, headers=session.bearer)
    with t.check("kept-apart", "no token does another's work") as check:
        check.problem(profile, 401, code="invalid_token")
        check.absent(profile, "user_id")
        check.problem(renewed, 401, code="auth.refresh_token_invalid")
        check.absent(renewed, "access_token")
        check.problem(rotated, 401, code="invalid_token")
        check.absent(rotated, "secondary_key")
    own = await t.auth.get(ops.PROFILE, headers=session.bearer)
    key = ops.keep_secret(t, await t.auth.post(ops.ROTATE, json={}, headers=admin.bearer))
    with t.check("own-work", "while each does its own") as check:
        check.equal(own.at("user_id"), session.user_id)
        check.matches(key.at("secondary_key"), ops.API_KEY)
