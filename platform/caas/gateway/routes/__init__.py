"""The gateway's edges: admission, its own routes, the proxy, and their document.

Which operations are passed on is in `operations`.
"""
