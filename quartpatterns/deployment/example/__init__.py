"""The deployment example: port, original and cases."""
