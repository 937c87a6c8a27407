"""The gateway: authentication, rate limits and routing in front of the platform.

Owns the collection `gateway_tenant_settings`. Speaks HTTP, its own routes (`routes`) and what it
passes on (`operations`). Depends on the auth service, over `caas.runtime.calls.client`.
"""
