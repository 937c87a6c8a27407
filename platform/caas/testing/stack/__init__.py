"""Stacks in tests: `caas up` in a process of its own, over services that only echo.

Real services in a test are started by the tests themselves.
"""
