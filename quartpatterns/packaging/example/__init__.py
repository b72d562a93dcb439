"""The packaging example: port, original and cases."""
