"""The command line: selection, targets, exit codes and what it prints."""

import gzip
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from caas_conformance.authoring import Suite
from caas_conformance.authoring.context import CaseContext
from caas_conformance.authoring.definition import Phase
from caas_conformance.cli import commands
from caas_conformance.cli.commands import conformance
from caas_conformance.plan import suites
from caas_conformance.plan.requirements import Registry
from caas_conformance.plan.suites import LoadedSuite
from caas_conformance.testing import Said, ScriptedService, ThreadedServices
from caas_reports.model import Requirement

Invoke = Callable[..., Result]
GZIP = b"\x1f\x8b"
SUITE = Suite(
    name="caas", title="a scripted service", phases="none", requirements=Path(), markers="/health"
)


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """A service with a good and a bad path, in a thread of its own."""
    running = ScriptedService("auth-service")
    running.route("GET", "/good", Said(200, {"ok": True}))
    running.route("GET", "/bad", Said(500, {"ok": False}))
    with ThreadedServices(running):
        yield running


@pytest.fixture
def caas(service: ScriptedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Invoke `caas conformance` on a suite of two phases, three good cases and a bad one."""
    phases = []
    for phase_id in ("Z01", "Z02"):
        phase = Phase(phase_id, f"Phase {phase_id}", "For the test.", tags=(phase_id.lower(),))
        for number in (1, 2):
            path = "/bad" if (phase_id, number) == ("Z02", 2) else "/good"

            def body_of(path: str) -> Callable[[CaseContext], object]:
                async def body(t: CaseContext) -> None:
                    answer = await t.service("auth-service").get(path)
                    with t.check("ok", "it says ok") as check:
                        check.equal(answer.at("ok"), True)  # noqa: FBT003

                return body

            case_id = f"{phase_id}.0{number}"
            define = phase.case(
                case_id, f"Case {case_id}", proves="It.", requirements=["REQ-01"],
                tags=["bad"] if path == "/bad" else [],
            )  # fmt: skip
            define(body_of(path))  # type: ignore[arg-type]
        phases.append(phase)
    requirement = Requirement(id="REQ-01", text="keep it", source="design", anchor="6")
    suite = LoadedSuite(SUITE, phases, Registry({"REQ-01": requirement}))
    monkeypatch.setattr(commands, "load_suite", lambda _: suite)
    runner = CliRunner()

    def invoke(*arguments: str, target: bool = True) -> Result:
        more: list[str] = []
        if arguments[0] in ("run", "plan"):
            more += ["--state-dir", str(tmp_path / "state")]
        if arguments[0] == "run" and target:
            more += ["--url", f"auth-service={service.url}", "--no-telemetry"]
        return runner.invoke(conformance, [*arguments, *more])

    return invoke


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--phase", "Z01"], 0, "PASSED  2 cases: 2 passed, 0 failed, 0 vacuous"),
        (["--case", "Z0?.01"], 0, "2 cases"),
        (["--tag", "!bad"], 0, "3 cases"),
        ([], 1, "FAILED  4 cases: 3 passed, 1 failed"),
        (["--tag", "bad"], 1, "expected true, got false"),
        (["--phase", "Z09"], 2, "there is no phase Z09"),
        (["--case", "Z01.01", "--tag", "z02"], 2, "leaves no case"),
        (["-n", "0"], 2, "0 is not in the range"),
        (["--phase", "Z01", "--min-cases", "3"], 4, "green cases: 2 (expected >= 3)"),
    ],
)
def test_exit_codes(caas: Invoke, arguments: list[str], code: int, said: str) -> None:
    """0 green, 1 a check failed, 2 usage, 4 a gate failed."""
    result = caas("run", *arguments)

    assert result.exit_code == code, result.output
    assert said in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "auth-service=http://127.0.0.1:1"], "can't be reached"),
        (["--target", "/nowhere/stack.json"], "No such file"),
    ],
)
def test_no_platform_is_one_line_and_exit_code_3(
    caas: Invoke, arguments: list[str], said: str
) -> None:
    """Whatever is wrong with the target, there is no traceback and no run directory."""
    result = caas("run", *arguments, "--no-telemetry", target=False)

    assert result.exit_code == 3, result.output
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "nonsense"], "--url takes service=http://host:port"),
        (["--url", "auth-service=http://127.0.0.1:99999"], "ports end at 65535"),
        (["--url", "auth-service=http://a b"], "a space"),
        (["--url", "auth-service=http://\x1b[2J"], "control character"),
        (["--otlp-listen", "x"], "HOST:PORT"),
        (["--otlp-listen", "0.0.0.0:99999"], "ports end at 65535"),
        (["--otlp-listen", "no such host:1"], "is no host's name"),
    ],
)
def test_what_is_no_address_is_one_line_and_exit_code_2(
    caas: Invoke, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """It is the command that is wrong, not the environment; nothing was started."""
    given = arguments if "--url" in arguments else ["--url", "auth-service=http://x", *arguments]
    result = caas("run", *given, "--telemetry", target=False)

    assert result.exit_code == 2, result.output
    (line,) = result.output.splitlines()
    assert said in line
    assert "\x1b" not in line
    assert not (tmp_path / "state" / "runs").exists()


def test_a_platform_whose_telemetry_goes_elsewhere_needs_a_decision(
    caas: Invoke, service: ScriptedService
) -> None:
    """Without traces a run would look at half of what it promises."""
    result = caas("run", "--url", f"auth-service={service.url}", target=False)

    assert result.exit_code == 3
    assert "--otlp-listen" in result.output
    assert "--no-telemetry" in result.output


def test_last_failed_takes_only_what_was_not_green(caas: Invoke) -> None:
    """Until everything is green; then there is nothing to take, which is an error."""
    first = caas("run", "--last-failed")
    caas("run")
    again = caas("run", "--last-failed")
    caas("run", "--phase", "Z01")
    nothing = caas("run", "--last-failed")

    assert (first.exit_code, again.exit_code, nothing.exit_code) == (2, 1, 2)
    assert "1 cases: 0 passed, 1 failed" in again.output


def test_json_summary_is_all_that_is_printed(caas: Invoke, tmp_path: Path) -> None:
    """A script reads verdict, counts, gates, red cases and where the report lies."""
    result = caas("run", "--json")
    summary = msgspec.json.decode(result.stdout)

    assert (summary["verdict"], summary["exit_code"]) == ("failed", 1)
    assert summary["counts"]["passed"] == 3
    assert [red["case"] for red in summary["red"]] == ["Z02.02"]
    assert Path(summary["report"]).is_relative_to(tmp_path)
    assert Path(summary["report"]).exists()


def test_reproduce_runs_that_case_again(caas: Invoke, service: ScriptedService) -> None:
    """The command in the report names the case and the target it was run against."""
    result = caas("run", "--json")
    directory = Path(msgspec.json.decode(result.stdout)["directory"])
    run = msgspec.json.decode((directory / "run.json").read_bytes())

    expected = "caas conformance run --case Z02.02"
    assert run["cases"][3]["reproduce"] == (
        f"{expected} --url auth-service={service.url} --no-telemetry"
    )


CREDENTIALS = "us%40er:pass%2Fword-of-this-test"
SPELLINGS = ("pass%2Fword", "pass/word", "dXNAZXI6cGFzcy93b3Jk")


def test_credentials_of_a_url_are_sent_and_shown_nowhere(
    caas: Invoke, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by a report, nor by what is printed, nor by the commands to run it again."""
    url = service.url.replace("://", f"://{CREDENTIALS}@")
    arguments = ["run", "--url", f"auth-service={url}", "--no-telemetry"]
    monkeypatch.setattr("sys.argv", ["caas", "conformance", *arguments])
    result = caas(*arguments, target=False)
    shown = caas(*arguments, "--json", target=False)
    summary = msgspec.json.decode(shown.stdout)
    directory = Path(summary["directory"])
    run = msgspec.json.decode((directory / "run.json").read_bytes())

    assert {asked.headers.get("authorization") for asked in service.asked} == {
        "Basic " + b64encode(b"us@er:pass/word-of-this-test").decode()
    }
    assert run["target"]["urls"] == {"auth-service": service.url}
    files = [f.read_bytes() for f in directory.iterdir()]
    texts = [gzip.decompress(f) if f.startswith(GZIP) else f for f in files]
    said = [result.output, shown.output, *(text.decode("utf-8") for text in texts)]
    assert [text for text in said if any(secret in text for secret in SPELLINGS)] == []
    again = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\n' {run['cases'][3]['reproduce']}"],
        env={"AUTH_SERVICE_USERINFO": CREDENTIALS}, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    assert again[:-1] == ["caas", "conformance", "run", "--case", "Z02.02", *arguments[1:]]


@pytest.mark.parametrize(
    "url", ["http://u:open/sesame@h:1", "ftp://u:sesame@h", "http://u:open sesame@h"]
)
def test_what_is_no_url_is_refused_without_its_password(caas: Invoke, url: str) -> None:
    """Not even a piece of it stands in the complaint."""
    result = caas("run", "--url", f"auth-service={url}", target=False)

    assert result.exit_code == 2
    assert not re.search("open|sesame", result.output)


def test_plan_list_and_explain_run_nothing(caas: Invoke, service: ScriptedService) -> None:
    """They show cases, requirements with their cases, and one case in full."""
    plan = caas("plan", "--phase", "Z02", "--json")
    matrix = caas("list", "--requirements", "--json")
    explained = caas("explain", "Z02.02")
    unknown = caas("explain", "Z09.09")

    assert [case["id"] for case in msgspec.json.decode(plan.stdout)] == ["Z02.01", "Z02.02"]
    assert msgspec.json.decode(matrix.stdout)[0]["cases"] == [
        "Z01.01", "Z01.02", "Z02.01", "Z02.02",
    ]  # fmt: skip
    assert "check ok (MUST): it says ok" in explained.output
    assert "keep it [design 6]" in explained.output
    assert unknown.exit_code == 2
    assert service.asked == []


def test_a_broken_suite_is_refused_before_anything_runs(
    service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 and the rule that is broken."""

    async def hollow(t: CaseContext) -> None:
        await t.service("auth-service").get("/good")

    phase = Phase("Z01", "Phase", "For the test.")
    phase.case("Z01.01", "Hollow", proves="It.", requirements=["NO-SUCH"])(hollow)
    monkeypatch.setattr(suites, "discover", lambda _: [phase])
    result = CliRunner().invoke(conformance, ["run", "--url", f"auth-service={service.url}"])

    assert result.exit_code == 2
    assert "Z01.01: has no check" in result.output
    assert "NO-SUCH is not in the registry" in result.output
    assert service.asked == []
