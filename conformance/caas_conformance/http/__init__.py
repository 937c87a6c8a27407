"""HTTP on the wire: exact bytes both ways, timings, malformed requests."""
