"""Long-lived connections of a case: one module per protocol, each recording wire events."""
