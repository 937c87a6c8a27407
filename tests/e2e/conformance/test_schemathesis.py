"""A foreign fuzzer reads the OpenAPI documents and believes every word.

`make fuzz` runs it with 50 examples an operation and a new seed each time, which it prints. The
ordinary run takes fewer and always the same: what is new there is the code's doing.
"""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from caas.kernel.ids import new_id

pytestmark = pytest.mark.e2e

EXAMPLES = os.environ.get("CAAS_FUZZ_EXAMPLES", "8")
SEED = [] if "CAAS_FUZZ_EXAMPLES" in os.environ else ["--seed", "1"]
CONFIG = str(Path(__file__).with_name("schemathesis.toml"))
TIMEOUT_S = 600
# What ends the session whose token the fuzzer uses comes last: with a dead token every other
# answer is 401, and nothing behind the door is reached.
ENDERS = r"/(logout|sessions)"


def post(url: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
    """POST JSON and return the decoded answer."""
    request = urllib.request.Request(  # noqa: S310 - 127.0.0.1
        url,
        data=msgspec.json.encode(body),
        headers={"content-type": "application/json", **(headers or {})},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return msgspec.json.decode(answer.read())


def credentials(stack: Any) -> dict[str, str]:
    """Register a company with one user; return every credential the documents mention."""
    auth = stack.url("auth-service") + "/api/v1/auth"
    company = {
        "company_name": "Fuzzed",
        "email": f"fuzz-{new_id()}@example.com",
        "password": "Fuzz-1234!@#$",
        "plan": "enterprise",
    }
    tenant = post(f"{auth}/client/register", company)
    key = {"x-api-key": tenant["api_key"]}
    session = post(f"{auth}/sdk/session", {"user_external_id": "alice"}, key)
    return {
        **key,
        "Authorization": f"Bearer {session['access_token']}",
        "x-service-secret": stack.service_secret,
    }


@pytest.mark.parametrize("service", ["auth-service", "gateway"])
@pytest.mark.parametrize("part", ["open", "ending"])
def test_documents_are_true(stack: Any, service: str, part: str, tmp_path: Path) -> None:
    """No 5xx, no undocumented status, no answer against its schema, nothing else either."""
    chosen = "--exclude-path-regex" if part == "open" else "--include-path-regex"
    headers = [
        word for name, text in credentials(stack).items() for word in ("-H", f"{name}: {text}")
    ]
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        CONFIG,
        "run",
        "--no-color",
        "--continue-on-failure",
    ]
    command += ["--max-examples", EXAMPLES, *SEED, chosen, ENDERS, *headers]
    done = subprocess.run(
        [*command, f"{stack.url(service)}/documentation/json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    print(done.stdout)  # noqa: T201 - what a reader of a failure needs
    assert done.returncode == 0, done.stderr
    tested = re.search(r"(\d+) generated", done.stdout)
    assert tested is not None
    assert int(tested[1]) > 0
