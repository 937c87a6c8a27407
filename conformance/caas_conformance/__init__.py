"""The conformance runner: a black box that drives a running platform and judges it.

It imports nothing of `caas`: what it knows of the platform, it learned over the wire.
"""
