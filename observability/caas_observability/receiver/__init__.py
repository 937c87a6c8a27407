"""An OTLP/HTTP receiver: decodes what services export and keeps it by trace.

Which attempt a record belongs to is decided in `correlation`.
"""
