"""The uRL processors example: port, original and cases."""
