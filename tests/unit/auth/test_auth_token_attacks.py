"""Token attacks, generated: each is refused, beside the genuine token that is accepted."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.utils import base64url_decode, base64url_encode

from caas.contracts.auth.identity import AUDIENCE, ISSUER
from caas.runtime.identity.jwt_policy import CLOCK_LEEWAY_S, TOKEN_MAX_BYTES
from caas.runtime.identity.tokens import InvalidTokenError
from caas.testing.auth.issuer import GOOD_HEADER, KID, Issuer, to_json

pytestmark = pytest.mark.anyio


def _none(issuer: Issuer) -> list[str]:
    tokens = []
    for alg in ("none", "None", "NONE", "nOnE", ""):
        head = base64url_encode(to_json({"alg": alg, "typ": "JWT", "kid": KID}))
        body = base64url_encode(to_json(issuer.claims()))
        signature = issuer.token().rpartition(".")[2]
        tokens += [f"{head.decode()}.{body.decode()}.", f"{head.decode()}.{body.decode()}"]
        tokens.append(f"{head.decode()}.{body.decode()}.{signature}")
    return tokens


def _hmac_over_the_public_key(issuer: Issuer) -> list[str]:
    public = issuer.private.public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secrets = (public.public_bytes_raw(), pem, pem.strip(), issuer.jwks[0].x.encode(), b"")
    tokens = []
    for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        for secret in secrets:
            for head in ({"alg": alg, "typ": "JWT", "kid": KID}, GOOD_HEADER):
                signed = (
                    base64url_encode(to_json(head))
                    + b"."
                    + base64url_encode(to_json(issuer.claims()))
                )
                mac = hmac.new(secret, signed, digest).digest()
                tokens.append((signed + b"." + base64url_encode(mac)).decode())
    return tokens


def _rsa_and_other_algorithms(issuer: Issuer) -> list[str]:
    private = rsa.generate_private_key(65537, 2048)
    made = [
        jwt.encode(issuer.claims(), private, algorithm=alg, headers={"kid": KID})
        for alg in ("RS256", "PS256")
    ]
    names = ("RS256", "ES256", "HS256", "Ed25519", "eddsa", "EdDSA ", "ES256K")
    return made + [issuer.token({"alg": name, "typ": "JWT", "kid": KID}) for name in names]


def _brings_its_own_key(issuer: Issuer) -> list[str]:
    attacker = Ed25519PrivateKey.generate()
    jwk = msgspec.to_builtins(Issuer.jwk(KID, attacker))
    extras: list[dict[str, Any]] = [
        {"jwk": jwk},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"jwk": jwk, "kid": "other"},
    ]
    by_attacker = [issuer.token(GOOD_HEADER | extra, private=attacker) for extra in extras]
    by_us = [issuer.token(GOOD_HEADER | extra) for extra in extras]
    return [*by_attacker, *by_us, issuer.token(private=attacker)]


def _critical_and_odd_headers(issuer: Issuer) -> list[str]:
    headers: list[Any] = [
        GOOD_HEADER | {"crit": ["exp"]},
        GOOD_HEADER | {"crit": []},
        GOOD_HEADER | {"b64": False, "crit": ["b64"]},
        GOOD_HEADER | {"zip": "DEF"},
        GOOD_HEADER | {"cty": "JWT"},
        GOOD_HEADER | {"typ": "at+jwt"},
        GOOD_HEADER | {"typ": "jwt"},
        {"alg": "EdDSA", "kid": KID},
        {"alg": "EdDSA", "typ": "JWT"},
        b'{"alg":"none","alg":"EdDSA","kid":"key-1","typ":"JWT"}',
        b'{"alg":"EdDSA","alg":"none","kid":"key-1","typ":"JWT"}',
        b'{"alg":"EdDSA","kid":"key-2","kid":"key-1","typ":"JWT"}',
        b'{"typ":"JWT","alg":"EdDSA","kid":"key-1"}',
        b'{ "alg":"EdDSA","kid":"key-1","typ":"JWT"}',
        GOOD_HEADER | {"b64": True, "crit": ["b64"]},  # pyjwt understands this one
        b"{}",
        b"[]",
        b"null",
        b'"EdDSA"',
        b"\xff",
        b"",
    ]
    return [issuer.token(head) for head in headers]


def _key_ids_that_are_paths_or_queries(issuer: Issuer) -> list[str]:
    kids: list[Any] = [
        "../../../../dev/null", "/dev/null", "key-1\x00", "key-1 ", " key-1", "KEY-1", "", "key-2",
        "key-1' OR '1'='1", "' UNION SELECT 'x", "key-1|whoami", "file:///etc/passwd", "x" * 3000,
        {"$ne": ""}, ["key-1"], 1, None, True,
    ]  # fmt: skip
    return [issuer.token(GOOD_HEADER | {"kid": kid}) for kid in kids]


def _wrong_claims(issuer: Issuer) -> list[str]:
    now_s = issuer.clock.now_ms() // 1000
    changes: list[dict[str, Any]] = [
        {"iss": "evil"}, {"iss": ...}, {"iss": ISSUER + "/"}, {"iss": [ISSUER]}, {"iss": None},
        {"aud": "other"}, {"aud": ...}, {"aud": [AUDIENCE]}, {"aud": [AUDIENCE, ""]},
        {"aud": None},
        {"type": "refresh"}, {"type": "client"}, {"type": ...}, {"type": "admin"}, {"type": None},
        {"exp": now_s}, {"exp": now_s - 1}, {"exp": ...}, {"exp": None}, {"exp": "9999999999"},
        {"exp": -1}, {"exp": True}, {"exp": float(now_s + 900.5)},
        {"iat": now_s + CLOCK_LEEWAY_S + 1}, {"iat": ...}, {"iat": "now"},
        {"nbf": now_s + CLOCK_LEEWAY_S + 1}, {"nbf": "tomorrow"},
        {"session_id": ...}, {"session_id": None}, {"user_id": ...}, {"tenant_id": ...},
        {"tenant_id": {"$ne": ""}}, {"permissions": "all"}, {"permissions": [1]},
    ]  # fmt: skip
    bodies: list[Any] = [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b"{}"]
    return [issuer.token(claims=issuer.claims(**change)) for change in changes] + [
        issuer.token(claims=body) for body in bodies
    ]


def _payloads_with_a_second_reading(issuer: Issuer) -> list[str]:
    """Signed by the genuine key: what the library alone would accept or choke on."""
    good = to_json(issuer.claims())
    text = good.decode()
    nested = good[:-1] + b',"x":' + b"[" * 1200 + b"]" * 1200 + b"}"
    bodies = [
        good[:-1] + b',"user_id":"admin"}',
        b'{"user_id":"admin",' + good[1:],
        good[:-1] + b',"\\u0075ser_id":"admin"}',
        good[:-1] + b',"x":{"y":1,"y":2}}',
        good[:-1] + b',"x":NaN}',
        good[:-1] + b',"x":-Infinity}',
        good[:-1] + b',"x":"\\ud800"}',
        text.encode("utf-16"),
        text.encode("utf-32-le"),
        b"\xef\xbb\xbf" + good,
        good + b"{}",
        nested,
    ]
    odd: list[dict[str, Any]] = [
        {"iat": "1"},
        {"nbf": "1"},
        {"exp": str(issuer.claims()["exp"])},
        {"nbf": 1.5},
        {"jti": 1},
        {"sub": 1},
    ]
    return [issuer.token(claims=body) for body in bodies] + [
        issuer.token(claims=issuer.claims(**change)) for change in odd
    ]


def _tampered(issuer: Issuer) -> list[str]:
    good = issuer.token()
    head, body, signature = good.split(".")
    other = issuer.token(claims=issuer.claims(user_id="admin")).split(".")
    flipped = bytearray(base64url_decode(signature))
    flipped[0] ^= 1
    high = bytearray(base64url_decode(signature))
    high[63] |= 0xE0  # S beyond the group order: RFC 8032 says refuse
    return [
        f"{head}.{other[1]}.{signature}",
        f"{head}.{body}.{other[2]}",
        f"{head}.{body}.{base64url_encode(bytes(flipped)).decode()}",
        f"{head}.{body}.{base64url_encode(bytes(high)).decode()}",
        f"{head}.{body}.{'A' * 86}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}..{signature}",
        f".{body}.{signature}",
    ]


def _other_spellings(issuer: Issuer) -> list[str]:
    good = issuer.token()
    head, body, signature = good.split(".")
    last = signature[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 64 bytes leave four unused bits in the last character: fifteen spellings of one value.
    twins = [
        c for c in alphabet
        if c != last
        and base64.urlsafe_b64decode(signature[:-1] + c + "==")
        == base64.urlsafe_b64decode(signature + "==")
    ]  # fmt: skip
    assert len(twins) == 15
    return [
        *(f"{head}.{body}.{signature[:-1]}{twin}" for twin in twins),
        good + "=", good + "==", good + "===", f"{head}.{body}=.{signature}",
        f"{head}.{body}==.{signature}", f"{head}==.{body}.{signature}", good + ".",
        good + ".e30", good + " ", " " + good, good + "\n",
        good + "*", good + "\u00e9", good + "\ud800", good + "\x00", good.replace(".", ".."),
        f"{head}.{body}.{signature[:40]}\n{signature[40:]}", f"{head}.{body}={'.'}{signature}",
        f"{head}=.{body}.{signature}", good.replace(".", "%2E"), f"Bearer {good}", good + good,
        "", ".", "..", "...", "not-a-token", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.invalid.payload",
        good + "A" * TOKEN_MAX_BYTES,
    ]  # fmt: skip


ATTACKS: list[Callable[[Issuer], list[str]]] = [
    _none,
    _hmac_over_the_public_key,
    _rsa_and_other_algorithms,
    _brings_its_own_key,
    _critical_and_odd_headers,
    _key_ids_that_are_paths_or_queries,
    _wrong_claims,
    _payloads_with_a_second_reading,
    _tampered,
    _other_spellings,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__.strip("_"))
async def test_attack_is_refused(issuer: Issuer, attack: Callable[[Issuer], list[str]]) -> None:
    """Each generated token, before and after the genuine one was remembered."""
    good = issuer.token()
    tokens = [token for token in attack(issuer) if token != good]
    assert tokens
    for warm in (False, True):
        if warm:
            await issuer.verifier.verify(good)
        for token in tokens:
            with pytest.raises(InvalidTokenError):
                await issuer.verifier.verify(token)

    assert (await issuer.verifier.verify(good)).user_id == "u"


@given(st.data())
async def test_no_single_character_of_a_token_may_change(data: st.DataObject) -> None:
    """Any other character in any place makes another token, which was not signed."""
    issuer = Issuer()
    good = issuer.token()
    place = data.draw(st.integers(0, len(good) - 1))
    character = data.draw(st.characters(exclude_characters=good[place]))
    changed = good[:place] + character + good[place + 1 :]

    with pytest.raises(InvalidTokenError):
        await issuer.verifier.verify(changed)


@given(st.binary(max_size=200))
async def test_any_bytes_are_a_refused_token(raw: bytes) -> None:
    """Nothing but `InvalidTokenError` gets out."""
    issuer = Issuer()
    with pytest.raises(InvalidTokenError):
        await issuer.verifier.verify(raw.decode("latin-1"))
