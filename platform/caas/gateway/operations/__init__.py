"""What the gateway passes on: one module a service behind, joined in `table`.

How it is passed on is in `routes.proxy`; what the gateway answers itself, in `routes.own`.
"""
