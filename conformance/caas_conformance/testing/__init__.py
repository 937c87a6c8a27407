"""Services made to order, for tests of the runner: HTTP answers, telemetry and documents.

Nothing that is run for real imports this.
"""

from caas_conformance.testing.scripted import Asked, Said, ScriptedService, ThreadedServices

__all__ = ["Asked", "Said", "ScriptedService", "ThreadedServices"]
