"""HTTP as every service speaks it: server, application, problems, OpenAPI, health, idempotency.

What happens to a request before its route is in `edge`; who the caller is, in `identity`.
"""
