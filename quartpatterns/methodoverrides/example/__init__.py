"""The hTTP method overrides example: port, original and cases."""
