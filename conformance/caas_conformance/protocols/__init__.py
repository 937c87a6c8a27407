"""Long-lived connections of a case, one module per protocol.

A protocol opens its exchange with `Wire.new_exchange(protocol, ...)`, writes
`ExchangeRecord.events` as frames, packets or chunks come and go, and brackets its waiting with
`Wire.entered` and `Wire.left`. Everything behind that (time axis, redaction, reports, ownership
of telemetry) is there already. `sse` is the example.
"""
