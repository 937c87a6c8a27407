"""`python -m caas_conformance`: the runner where the `caas` command is not installed."""

from caas_conformance.cli.commands import conformance

if __name__ == "__main__":
    conformance(prog_name="python -m caas_conformance")
