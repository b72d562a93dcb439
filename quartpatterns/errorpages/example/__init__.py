"""The error pages and API errors example: port, original and cases."""
