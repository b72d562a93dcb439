"""The subclassing the application example: port, original and cases."""
