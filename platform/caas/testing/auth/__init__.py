"""The auth service in tests: fakes of its ports, its use cases over them, a real instance.

What any service's tests share is beside this folder.
"""
