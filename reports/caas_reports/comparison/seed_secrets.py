"""Find and replace the secrets that the seed's report printed, counting them by kind."""

import re
from collections import Counter
from typing import Any

REDACTED = "[redacted]"

# Members whose value is secret whatever it looks like; compared without case, `-` and `_`.
_SECRET_MEMBERS = {
    "accesstoken": "token",
    "apikey": "api key",
    "apisecret": "api secret",
    "appsecret": "api secret",
    "authorization": "token",
    "backupcodes": "second factor",
    "clientsecret": "api secret",
    "cookie": "cookie",
    "newpassword": "password",
    "oldpassword": "password",
    "password": "password",
    "plaintext": "plaintext under encryption",
    "primarykey": "api key",
    "privatekey": "key",
    "refreshtoken": "token",
    "secondarykey": "api key",
    "setcookie": "cookie",
    "token": "token",
    "xapikey": "api key",
    "xservicesecret": "service secret",
}
# Texts that are secret wherever they stand. A later pattern sees what earlier ones left.
_SECRET_SHAPES = (
    ("token", re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}")),
    ("api key", re.compile(r"\bcaas_(?:prod|test)_[0-9a-fA-F]{6,}")),
    ("service secret", re.compile(r"(?i)(?<=x-service-secret\": \")[^\"]+(?=\")")),
    ("service secret", re.compile(r"\b[\w-]*service-secret-[\w-]+")),
    ("service secret", re.compile(r"(?<=(?:received|expected): \")[^\"]{1,12}\.\.\.(?=\")")),
    ("password", re.compile(r"(?i)(?<=\"password\":\")[^\"]+(?=\")")),
)


class SecretCount:
    """Counts the places where a secret stood while it takes them out."""

    def __init__(self) -> None:
        self.by_kind: Counter[str] = Counter()

    def clean(self, value: Any) -> Any:
        """Give a JSON value without secrets."""
        if isinstance(value, dict):
            return {name: self._member(name, member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if isinstance(value, str):
            return self.clean_text(value)
        return value

    def clean_text(self, text: str) -> str:
        """Give a text without the shapes of secrets in it."""
        for kind, shape in _SECRET_SHAPES:
            text, found = shape.subn(REDACTED, text)
            if found:
                self.by_kind[kind] += found
        return text

    def _member(self, name: str, value: Any) -> Any:
        kind = _SECRET_MEMBERS.get(name.lower().replace("-", "").replace("_", ""))
        if kind is None or not isinstance(value, str) or not value:
            return self.clean(value)
        self.by_kind[kind] += 1
        return REDACTED
