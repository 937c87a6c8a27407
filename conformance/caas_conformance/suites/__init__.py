"""The suites that come with the runner, one package each, found by entry point.

What suites share is in `authoring`; the engine knows none of them.
"""
