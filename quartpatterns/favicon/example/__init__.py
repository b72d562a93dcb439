"""The a favicon example: port, original and cases."""
