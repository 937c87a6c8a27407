"""What the front line refuses, on the real server and with raw bytes."""

import asyncio
from typing import Any

import pytest

from caas.testing.patience import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

JSON = b"Content-Type: application/json\r\n"


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Write a request with exactly these headers."""
    return line + b"\r\n" + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


@pytest.mark.parametrize(
    ("target", "status"),
    [
        pytest.param("/items/%00", 400, id="NUL"),
        pytest.param("/items/a%0d%0aX:%20y", 400, id="CR LF"),
        pytest.param("/items/%7f", 400, id="DEL"),
        pytest.param("/items/%c2%85", 400, id="C1 control"),
        pytest.param("/items/%ff", 400, id="invalid UTF-8"),
        pytest.param("/items/%c0%af", 400, id="overlong slash"),
        pytest.param("/items/%ed%a0%80", 400, id="surrogate"),
        pytest.param("/items/%zz", 400, id="no escape"),
        pytest.param("/items/%4", 400, id="half an escape"),
        pytest.param("/items/a%2fb", 400, id="encoded slash"),
        pytest.param("/items/a%5Cb", 400, id="encoded backslash"),
        pytest.param("/items//a", 400, id="empty segment"),
        pytest.param("//items/a", 400, id="leading double slash"),
        pytest.param("/items/../items/a", 400, id="dot-dot"),
        pytest.param("/items/%2e%2e/a", 400, id="encoded dot-dot"),
        pytest.param("/items/./a", 400, id="dot"),
        pytest.param("/items/caf%C3%A9", 200, id="UTF-8"),
        pytest.param("/items/a%20b", 200, id="space"),
        pytest.param("/items/a.b", 200, id="inner dot"),
        pytest.param("/items/a/", 200, id="trailing slash"),
        pytest.param("/nowhere", 404, id="unknown"),
    ],
)
async def test_path(demo: Any, target: str, status: int) -> None:
    """A path that two readers could read differently is refused, any other one is served."""
    answer = await demo.get(target)

    assert answer.status == status
    assert answer.header("x-correlation-id")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("limit=1", 200, id="plain"),
        pytest.param("limit=1&limit=2", 400, id="twice"),
        pytest.param("limit=1&%6cimit=2", 400, id="twice, one escaped"),
        pytest.param("limit=%ff", 400, id="invalid UTF-8"),
        pytest.param("%ff=1", 400, id="invalid UTF-8 name"),
        pytest.param("limit=x", 400, id="no number"),
        pytest.param("limit=99999999999999999999999999x", 400, id="no number, long"),
        pytest.param("&".join(f"p{n}=1" for n in range(65)), 400, id="too many"),
        pytest.param("", 200, id="empty"),
        pytest.param("other=1", 200, id="unknown name"),
    ],
)
async def test_query(demo: Any, query: str, status: int) -> None:
    """One value for each scalar, in UTF-8."""
    answer = await demo.get(f"/items?{query}")

    assert answer.status == status


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b'{"name":"a"}', 201, "", id="good"),
        pytest.param(b"", 400, "", id="empty"),
        pytest.param(b'{"name":', 400, "malformed_json", id="cut"),
        pytest.param(b"{'name':1}", 400, "malformed_json", id="not JSON"),
        pytest.param(b'{"name":"a"} x', 400, "malformed_json", id="trailing text"),
        pytest.param(b'\xef\xbb\xbf{"name":"a"}', 400, "malformed_json", id="byte order mark"),
        pytest.param(b'{"name":"\xff"}', 400, "malformed_json", id="invalid UTF-8"),
        pytest.param(b'{"name":"\\ud800"}', 400, "malformed_json", id="lone surrogate"),
        pytest.param(b'{"name":"a","count":' + b"9" * 5000 + b"}", 400, "", id="huge integer"),
        pytest.param(b'{"name":"a","count":9223372036854775808}', 400, "", id="over 64 bits"),
        pytest.param(b'{"name":"a","count":1e400}', 400, "", id="infinite"),
        pytest.param(b'{"name":"a","count":NaN}', 400, "malformed_json", id="NaN"),
        pytest.param(b'{"name":"a","count":1.5}', 400, "invalid_input", id="no integer"),
        pytest.param(b'{"name":"a","tags":' + b"[" * 63 + b"]" * 63 + b"}", 201, "", id="64 deep"),
        pytest.param(
            b'{"name":"a","tags":' + b"[" * 64 + b"]" * 64 + b"}", 400, "malformed_json", id="65"
        ),
        pytest.param(b"[" * 500_000, 400, "malformed_json", id="very deep"),
        pytest.param(b'{"a":' * 100_000 + b"}" * 100_000, 400, "malformed_json", id="objects"),
        pytest.param(b'{"name":"' + b"[" * 100 + b'"}', 201, "", id="brackets in a string"),
        pytest.param(b'{"name":1}', 400, "invalid_input", id="wrong type"),
        pytest.param(b'{"name":"a","admin":true}', 400, "invalid_input", id="unknown field"),
        pytest.param(b"[]", 400, "invalid_input", id="wrong shape"),
        pytest.param(b"null", 400, "", id="null"),
        pytest.param(b'{"name":"' + b"a" * 1_048_576 + b'"}', 413, "body_too_large", id="1 MiB"),
    ],
)
async def test_body(demo: Any, body: bytes, status: int, code: str) -> None:
    """What is not the documented JSON is the client's fault, and said so in RFC 9457's terms."""
    answer = await demo.post("/items", body)

    assert answer.status == status
    problem = answer.json()
    if status != 201:
        assert answer.header("content-type") == "application/problem+json"
        assert problem["status"] == status
        assert problem["error"] == problem["detail"]
    if code:
        assert problem["type"] == f"urn:caas:error:{code}"


async def test_broken_rules_are_listed_without_the_input(demo: Any) -> None:
    """`errors` names the place and the rule, never what was sent there."""
    answer = await demo.post("/items", b'{"name":"a","count":"hunter2-secret"}')

    assert answer.json()["errors"] == [{"path": "count", "message": "Expected `int`, got `str`"}]
    assert b"hunter2" not in answer.body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(b"Content-Type: application/json; charset=utf-8\r\n", 201, id="charset"),
        pytest.param(b"Content-Type: Application/JSON\r\n", 201, id="case"),
        pytest.param(b"Content-Type: text/plain\r\n", 415, id="text"),
        pytest.param(b"Content-Type: text/xml\r\n", 415, id="xml"),
        pytest.param(b"Content-Type: application/x-www-form-urlencoded\r\n", 415, id="form"),
        pytest.param(b"Content-Type: application/json; charset=latin-1\r\n", 415, id="latin-1"),
        pytest.param(b"", 415, id="none"),
        pytest.param(JSON + b"Content-Encoding: gzip\r\n", 415, id="gzip"),
    ],
)
async def test_content_type(demo: Any, headers: bytes, status: int) -> None:
    """JSON in UTF-8 and nothing else; a 415 says what would do (RFC 9110, 15.5.16)."""
    answer = await demo.post("/items", b'{"name":"a"}', headers)

    assert answer.status == status
    assert answer.header("accept") == ("application/json" if status == 415 else "")


@pytest.mark.parametrize(
    "target", [pytest.param("/items", id="litestar"), pytest.param("/fast", id="fast route")]
)
async def test_a_streamed_body_is_cut_off_at_the_limit(demo: Any, target: str) -> None:
    """The answer comes while the client still sends: the body was never collected."""
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"

    answer = await demo.raw(
        request(
            f"POST {target} HTTP/1.1".encode(),
            b"Host: demo",
            b"Content-Type: application/json",
            b"Transfer-Encoding: chunked",
        ),
        *[chunk] * 17,
    )

    assert answer.status == 413


async def test_a_declared_size_is_refused_before_the_body(demo: Any) -> None:
    """Nothing of the body is needed to refuse it."""
    answer = await demo.raw(
        request(
            b"POST /items HTTP/1.1",
            b"Host: demo",
            b"Content-Type: application/json",
            b"Content-Length: 1048577",
        )
    )

    assert answer.status == 413


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(request(b"GET /items HTTP/1.1"), 400, id="no Host"),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", b"Host: b"), 400, id="two Hosts"
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", b"X-Api-Key: a", b"X-Api-Key: b"),
            400,
            id="two API keys",
        ),
        pytest.param(
            request(
                b"GET /items HTTP/1.1", b"Host: a", b"Authorization: a", b"Authorization: a"
            ),
            400,
            id="the same credential twice",
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", b"Accept: a/b", b"Accept: c/d"),
            200,
            id="a list header twice",
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", b"X: " + b"a" * 17_000), 431, id="size"
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", *[b"X%d: a" % n for n in range(97)]),
            431,
            id="count",
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", *[b"X%d: a" % n for n in range(300)]),
            431,
            id="count, by the server",
        ),
        pytest.param(
            request(b"GET /items/" + b"a" * 8_200 + b" HTTP/1.1", b"Host: a"), 414, id="target"
        ),
        pytest.param(
            request(b"GET /items/" + b"a" * 70_000 + b" HTTP/1.1", b"Host: a"),
            414,
            id="target, by the server",
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", b"X-A: b\x00c"), 400, id="NUL in a value"
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", b"X-A : b"), 400, id="space before colon"
        ),
        pytest.param(
            request(b"GET /items HTTP/1.1", b"Host: a", b"X-A: b", b" c"), 400, id="folded line"
        ),
        pytest.param(request(b"GET /it\x01ems HTTP/1.1", b"Host: a"), 400, id="raw control"),
        pytest.param(
            request(
                b"POST /items HTTP/1.1", b"Host: a", b"Content-Length: 2", b"Content-Length: 3",
                body=b"{}x",
            ),
            400,
            id="two lengths",
        ),
        pytest.param(
            request(b"POST /items HTTP/1.1", b"Host: a", b"Content-Length: -1"), 400, id="negative"
        ),
        pytest.param(
            request(b"POST /items HTTP/1.1", b"Host: a", b"Content-Length: +2", body=b"{}"),
            400,
            id="signed",
        ),
        pytest.param(
            request(b"POST /items HTTP/1.1", b"Host: a", b"Transfer-Encoding: identity"),
            400,
            id="not chunked",
        ),
        pytest.param(
            request(
                b"POST /items HTTP/1.1", b"Host: a", b"Content-Type: application/json",
                b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n",
            ),
            400,
            id="gzip, chunked",
        ),
        pytest.param(
            request(
                b"POST /items HTTP/1.1", b"Host: a", b"Content-Type: application/json",
                b"Transfer-Encoding: chunked", body=b"zz\r\n",
            ),
            400,
            id="bad chunk",
        ),
        pytest.param(
            request(
                b"GET /items HTTP/1.1", b"Host: a", b"X-Caas-Deadline-Ms: soon",
                b"X-Service-Secret: service-secret-of-the-tests",
            ),
            400,
            id="deadline",
        ),
    ],
)  # fmt: skip
async def test_framing_and_headers(demo: Any, raw: bytes, status: int) -> None:
    """What smuggles or floods is refused by the server's parser or by the edge."""
    answer = await demo.raw(raw)

    assert answer.status == status


async def test_after_a_length_beside_chunks_the_connection_ends(demo: Any) -> None:
    """RFC 9112, 6.1: refused or read by its chunks; nothing is smuggled in either event."""
    reader, writer = await demo.connect()
    writer.write(
        request(
            b"POST /items HTTP/1.1",
            b"Host: a",
            b"Content-Type: application/json",
            b"Content-Length: 4",
            b"Transfer-Encoding: chunked",
            body=b'c\r\n{"name":"a"}\r\n0\r\n\r\nGET /items/smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
        )
    )

    everything = await asyncio.wait_for(reader.read(), PATIENCE_S)

    assert everything.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 201 "))
    assert everything.count(b"HTTP/1.1 ") == 1
    writer.close()


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("PUT", "/items", "GET, HEAD, OPTIONS, POST"),
        ("PATCH", "/items/a", "DELETE, GET, HEAD, OPTIONS"),
        ("GET", "/private", "OPTIONS, PUT"),
        ("HEAD", "/private", "OPTIONS, PUT"),
        ("TRACE", "/items", "GET, HEAD, OPTIONS, POST"),
        ("PROPFIND", "/items", "GET, HEAD, OPTIONS, POST"),
        ("CONNECT", "/items", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/fast", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/documentation/json", "GET, HEAD, OPTIONS"),
    ],
)
async def test_405_lists_every_method(demo: Any, method: str, target: str, allow: str) -> None:
    """RFC 9110, 15.5.6, over all routes of the path."""
    answer = await demo.get(target, method=method)

    assert (answer.status, answer.header("allow")) == (405, allow)


@pytest.mark.parametrize(
    ("target", "status", "allow"),
    [
        ("/items", 204, "GET, HEAD, OPTIONS, POST"),
        ("/items/", 204, "GET, HEAD, OPTIONS, POST"),
        ("/items/a", 204, "DELETE, GET, HEAD, OPTIONS"),
        ("/fast", 204, "GET, HEAD, OPTIONS, POST"),
        ("/nowhere", 404, ""),
    ],
)
async def test_options(demo: Any, target: str, status: int, allow: str) -> None:
    """OPTIONS tells the same as a 405 does."""
    answer = await demo.get(target, method="OPTIONS")

    assert (answer.status, answer.header("allow")) == (status, allow)


@pytest.mark.parametrize("target", ["/items/a", "/fast", "/documentation/json", "/nowhere"])
async def test_head_is_get_without_a_body(demo: Any, target: str) -> None:
    """Same status, same length, no byte after the head (RFC 9110, 9.3.2)."""
    get, head = await demo.get(target), await demo.get(target, method="HEAD")

    assert head.status == get.status
    assert head.header("content-length") == str(len(get.body))


async def test_401_has_a_challenge(demo: Any) -> None:
    """RFC 9110, 15.5.2."""
    answer = await demo.get("/private", method="PUT")

    assert (answer.status, answer.header("www-authenticate")) == (401, 'Bearer realm="caas"')


async def test_a_bug_is_a_500_that_says_nothing(demo: Any) -> None:
    """No text of the exception, no stack."""
    answer = await demo.get("/bug")

    assert answer.status == 500
    assert answer.json()["detail"] == "Internal server error"
    assert b"hunter2" not in answer.body
    assert b"Traceback" not in answer.body
