"""The single-page applications example: port, original and cases."""
