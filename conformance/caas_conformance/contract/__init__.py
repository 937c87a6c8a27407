"""Every answer against the OpenAPI document of the service that gave it, without an author.

Knows OpenAPI 3.1 and HTTP, and no service: what a platform promises beyond its documents is in
the suite's `ContractFacts`. What a violation means for a case is decided in `engine`.
"""
