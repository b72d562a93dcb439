"""The request content checksums example: port, original and cases."""
