"""Write every format of a made-up run: `python -m caas_reports.testing DIRECTORY [CASES]`."""

import sys
from pathlib import Path

from caas_reports import formats
from caas_reports.testing import DEFAULT_CASES, build_run


def main(arguments: list[str]) -> None:
    """Write every format of a made-up run into a directory."""
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    cases = int(arguments[1]) if len(arguments) > 1 else DEFAULT_CASES
    formats.write_all(build_run(cases), directory)


if __name__ == "__main__":
    main(sys.argv[1:])
