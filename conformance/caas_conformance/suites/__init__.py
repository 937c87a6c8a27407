"""The suites that come with the runner, one package each; the engine knows none of them."""
