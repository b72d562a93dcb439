"""The streaming contents example: port, original and cases."""
