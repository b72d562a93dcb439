"""The application factories example: port, original and cases."""
