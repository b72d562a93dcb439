"""The background tasks example: port, original and cases."""
