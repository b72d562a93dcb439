"""The application dispatching example: port, original and cases."""
