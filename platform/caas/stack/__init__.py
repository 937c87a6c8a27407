"""Start, watch and stop the whole platform on one machine.

Owns: the embedded servers (MongoDB, Valkey), the supervisor that forks a process per service,
the state directory with its stack file, secrets and logs. Speaks: process signals, the two
servers' wire protocols for readiness, HTTP `/internal/ready`. Depends on: service packages,
found by their `SERVICE`, never by name.
"""
