"""`python -m caas.cli` is `caas`."""

from caas.cli.main import main

if __name__ == "__main__":
    main()
