"""What a secret looks like: one list of names and shapes for logs, spans, reports and stores.

Everything here is idempotent, leaves text without secrets exactly as it was, and prefers to
hide too much over too little where a text can't be parsed.
"""

import base64
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import msgspec

REDACTED = "[redacted]"
NESTING_MAX_LEVELS = 64  # deeper JSON is replaced whole: nobody wrote it to be read
KNOWN_SECRET_MIN_CHARS = 6  # shorter literals would hit ordinary words
KNOWN_SECRETS_MAX = 4096
_NAMES_MAX_CACHED = 4096
_NAME_MAX_CHARS = 256

# Compared in lower case without separators, so that one entry covers `api-key` and `apiKey`.
_EXACT_NAMES = frozenset(
    {"pin", "otp", "jwt", "bearer", "secrets", "passwords", "cookies", "plaintext", "codeverifier"}
)
_NAME_ENDINGS = (
    "authorization", "cookie", "apikey", "secret", "password", "passwd", "pwd", "passphrase",
    "pepper", "token", "credential", "credentials", "privatekey", "clientassertion",
)  # fmt: skip
_names: dict[str, bool] = {}


def is_secret_name(name: str) -> bool:
    """Tell whether the value under *name* (header, JSON member, parameter) is a secret."""
    known = _names.get(name)
    if known is None:
        plain = "".join(filter(str.isalnum, name[-_NAME_MAX_CHARS:])).lower()
        known = plain in _EXACT_NAMES or plain.endswith(_NAME_ENDINGS)
        known = known and _OPERATION.match(name) is None
        if len(_names) < _NAMES_MAX_CACHED and len(name) <= _NAME_MAX_CHARS:
            _names[name] = known
    return known


_SHAPES = re.compile(
    r"eyJ[A-Za-z0-9_-]{6,1024}+\.[A-Za-z0-9_-]{4,}+\.[A-Za-z0-9_-]*"  # JWT
    r"|caas_[a-z]+_[0-9a-fA-F]{16,}"  # API keys
    # user:password@ in a URL; greedy, for a password may hold an @
    r"|(?<=://)[^/\s@\"'<>\[\]]*:(?!\[redacted\]@)[^/\s\"'<>]*(?=@)"
)
# A scheme word and what can only be a credential: `Basic authentication` stays.
_SCHEME = re.compile(
    r"\b(Bearer|Basic)(\s+)(?=[A-Za-z._~+/=-]*\d|[A-Za-z0-9._~+/=-]{20})"
    r"[A-Za-z0-9._~+/=-]{8,}+(?!\")"
)
# Group 2 is the sign with its quotes; `\"` is how JSON inside a JSON string looks. Bounds
# here and above keep a long word from being read once more from each of its letters: 64 kB of
# one letter took 7 s.
_NAME_AND_SIGN = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.%\[-]{0,127}+)(\]?\\*[\"']?[ \t]*[:=]\s*)")
# What a credential may do, and an operation with words behind it, name no value.
_OPERATION = re.compile(r"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /[^\s\"']*$")
_OPERATION_MAX_CHARS = 256
_PERMISSION = re.compile(
    r"(?:apikey|token|secret|credential)s?:"
    r"(?:read|write|create|delete|list|rotate|promote|revoke|refresh|validate|manage|\*)"
    r"(?![^\s,;.)\]}\"'\\])"
)
_OPENING_QUOTE = re.compile(r"(\\*)([\"'])")
_TO_LINE_END = re.compile(r"[^\r\n]*")
_JSON_LITERAL = re.compile(r"[^\s,}\]\\\"]*")
_PARAMETER = re.compile(r"[^\s&#\"\\<>]*")


def redact_text(text: str) -> str:
    """Replace every secret that its shape, or the name before it, gives away.

    Reads header lines, JSON (also inside a JSON string), form and query parameters, Python
    reprs and URLs. A value after an unquoted `name:` is hidden up to the end of its line.
    """
    if ":" in text or "=" in text:
        text = _redact_named(text)
    if "eyJ" in text or "caas_" in text or "://" in text:
        text = _SHAPES.sub(REDACTED, text)
    if "Bearer" in text or "Basic" in text:
        text = _SCHEME.sub(rf"\1\2{REDACTED}", text)
    return text


def _redact_named(text: str) -> str:
    done: list[str] = []
    copied = position = 0
    while (match := _NAME_AND_SIGN.search(text, position)) is not None:
        position = match.end()
        if not is_secret_name(unquote_plus(match[1]) if "%" in match[1] else match[1]):
            continue
        if _names_no_value(text, match):
            continue
        start, end, replacement = _value_span(text, match)
        if end > start:
            done += (text[copied:start], replacement)
            copied = end
        position = max(position, end)
    if not done:
        return text
    done.append(text[copied:])
    return "".join(done)


def _names_no_value(text: str, match: re.Match[str]) -> bool:
    """Tell whether what looks like `name:` is a permission or ends an operation's path."""
    if _PERMISSION.match(text, match.start()):
        return True
    start = match.start()
    return (
        text[start - 1 : start] == "/"
        and ":" in match[2]
        and _OPERATION.search(text, max(0, start - _OPERATION_MAX_CHARS), start) is not None
    )


def _value_span(text: str, match: re.Match[str]) -> tuple[int, int, str]:
    """Find the value behind a secret name: where it starts, where it ends, what replaces it."""
    start, sign = match.end(), match[2]
    if text.startswith(REDACTED, start):
        return start, start, ""
    quoted = _OPENING_QUOTE.match(text, start)
    if quoted is not None:
        end = _closing_quote(text, quoted.end(), len(quoted[1]), quoted[2])
        return quoted.end(), end, REDACTED
    json_name = '"' in sign or "'" in sign
    if text[start : start + 1] in {"{", "["} and (json_name or "=" in sign):
        return start, _closing_bracket(text, start), f'"{REDACTED}"'
    if json_name:
        end = _end_of(_JSON_LITERAL, text, start)
        if text[start:end] in {"true", "false", "null", "True", "False", "None"}:
            end = start
        return start, end, f'"{REDACTED}"'
    if "=" in sign:
        return start, _end_of(_PARAMETER, text, start), REDACTED
    return _header_value_span(text, start)


def _header_value_span(text: str, start: int) -> tuple[int, int, str]:
    """Hide a header's value to the end of its line, all but the name of the scheme."""
    end = _end_of(_TO_LINE_END, text, start)
    scheme, space, rest = text[start:end].partition(" ")
    if space and scheme in {"Bearer", "Basic", "Digest"}:
        start += len(scheme) + 1
        if rest == REDACTED:
            end = start
    return start, end, REDACTED


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()


def _closing_quote(text: str, start: int, slashes: int, quote_sign: str) -> int:
    """Return where the string ends whose opening quote had *slashes* backslashes before it."""
    position = start
    while (position := text.find(quote_sign, position)) >= 0:
        before = position
        while before > start and text[before - 1] == "\\":
            before -= 1
        count = position - before
        if (slashes == 0 and count % 2 == 0) or (slashes and count <= slashes):
            return position - min(count, slashes)
        position += 1
    return len(text)


def _closing_bracket(text: str, start: int) -> int:
    """Return where the JSON array or object ends that begins at *start*; strings are skipped."""
    depth, in_string, position = 0, False, start
    while position < len(text):
        sign = text[position]
        if in_string:
            if sign == "\\":
                position += 1
            elif sign == '"':
                in_string = False
        elif sign == '"':
            in_string = True
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return len(text)


class Redactor:
    """Redacts by names and shapes, and by the literal secrets it was told.

    A told secret is also found percent-encoded, JSON-escaped, in hex and inside base64.
    """

    def __init__(self, known_secrets: Iterable[str] = ()) -> None:
        self._literals: dict[str, None] = {}  # longest first once sorted
        self._known = 0
        for secret in known_secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Learn one more literal secret; ones under `KNOWN_SECRET_MIN_CHARS` are ignored.

        Raises:
            ValueError: There are `KNOWN_SECRETS_MAX` already.
        """
        if len(secret) < KNOWN_SECRET_MIN_CHARS or secret in self._literals:
            return
        if self._known >= KNOWN_SECRETS_MAX:
            raise ValueError(f"more than {KNOWN_SECRETS_MAX} known secrets")
        self._known += 1
        literals = {**self._literals, **dict.fromkeys(_spellings(secret))}
        self._literals = dict.fromkeys(sorted(literals, key=len, reverse=True))

    def text(self, text: str) -> str:
        """Redact free text: log lines, bodies, raw messages."""
        for literal in self._literals:
            if literal in text:
                text = text.replace(literal, REDACTED)
        return redact_text(text)

    def raw(self, data: bytes) -> bytes:
        """Redact bytes of any encoding; bytes that are not text stay as they are."""
        for literal in self._literals:
            wire = literal.encode()
            if wire in data:
                data = data.replace(wire, REDACTED.encode())
        return redact_text(data.decode("latin-1")).encode("latin-1")

    def url(self, url: str) -> str:
        """Redact user info and secret parameters of a URL."""
        return self.text(url)

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Redact header values, keeping order, case and the authentication scheme's name."""
        return [(name, self.header(name, value)) for name, value in headers]

    def header(self, name: str, value: str) -> str:
        """Redact the value of one header."""
        if not is_secret_name(name) or not value:
            return self.text(value)
        scheme, space, _ = value.partition(" ")
        return f"{scheme} {REDACTED}" if space and scheme in {"Bearer", "Basic"} else REDACTED

    def json(self, value: Any) -> Any:
        """Return a redacted copy of decoded JSON; flags and null under secret names stay."""
        return self._json(value, 0)

    def body(self, body: bytes) -> str:
        """Redact a message body: as JSON when it is JSON, else as text."""
        try:
            decoded = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.raw(body).decode("utf-8", "replace")
        if not isinstance(decoded, dict | list):
            return self.raw(body).decode("utf-8", "replace")
        redacted = self.json(decoded)
        if redacted == decoded:
            return body.decode("utf-8", "replace")  # keeps the sender's spelling
        return msgspec.json.encode(redacted).decode()

    def _json(self, value: Any, level: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return REDACTED if level > NESTING_MAX_LEVELS else self._object(value, level + 1)
        if isinstance(value, list | tuple):
            if level > NESTING_MAX_LEVELS:
                return REDACTED
            return [self._json(item, level + 1) for item in value]
        if isinstance(value, bytes):
            return self.raw(value).decode("utf-8", "replace")
        return value

    def _object(self, members: dict[Any, Any], level: int) -> dict[Any, Any]:
        redacted: dict[Any, Any] = {}
        # A header list as in HAR, or an OTLP attribute: the name is itself a value.
        label = members.get("key", members.get("name"))
        labelled = isinstance(label, str) and "value" in members and is_secret_name(label)
        for key, value in members.items():
            name = self.text(key) if isinstance(key, str) else key
            secret = (isinstance(key, str) and is_secret_name(key)) or (labelled and key == "value")
            if secret and value not in (None, True, False, ""):
                redacted[name] = REDACTED
            else:
                redacted[name] = self._json(value, level)
        return redacted


def _spellings(secret: str) -> Iterable[str]:
    """Yield how *secret* may look on the wire: as it is, escaped, and in hex and base64."""
    yield secret
    try:
        raw = secret.encode()
    except UnicodeEncodeError:  # a lone surrogate can't be sent as text
        return
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield msgspec.json.encode(secret).decode()[1:-1]
    yield secret.encode("unicode_escape").decode()
    yield from (raw.hex(), raw.hex().upper())
    for offset, skipped in enumerate((0, 2, 3)):
        encoded = base64.b64encode(b"\0" * offset + raw)
        core = encoded[skipped : (offset + len(raw)) * 8 // 6].decode()
        if len(core) >= KNOWN_SECRET_MIN_CHARS:
            yield core
            yield core.replace("+", "-").replace("/", "_")


_DEFAULT = Redactor()
redact_headers = _DEFAULT.headers
redact_json = _DEFAULT.json
redact_body = _DEFAULT.body
redact_url = _DEFAULT.url
