"""The deferred request callbacks example: port, original and cases."""
