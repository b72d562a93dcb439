"""The caching example: port, original and cases."""
