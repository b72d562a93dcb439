"""The template inheritance example: port, original and cases."""
