"""The table of facts of the CAAS platform: who may do what, and whose it is; one module a service.

What a request or an answer looks like is in the services' OpenAPI documents, not here.
"""
