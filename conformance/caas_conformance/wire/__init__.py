"""The wire as it was: HTTP and SSE clients that keep exact bytes and times, and trace context.

No judgement: what an answer should be is in `authoring` and in suites.
"""
