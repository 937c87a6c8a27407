"""The gateway's use cases: credentials, plans, the caller's own company.

Calls to other services are in `clients`; no framework is known here.
"""
