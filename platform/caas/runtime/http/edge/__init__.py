"""The one ASGI layer in front of every service: limits, spans, headers, CORS, access log.

Knows no route and no service; what a route may do is in `caas.runtime.http`.
"""
