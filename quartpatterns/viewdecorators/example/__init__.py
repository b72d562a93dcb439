"""The view decorators example: port, original and cases."""
