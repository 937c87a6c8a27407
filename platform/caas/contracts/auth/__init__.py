"""What the auth service says across its border, one module an audience.

`identity` is for every service, `api` for its public routes, `internal` for routes between
services. What never leaves it is in `caas.auth.schemas`.
"""
