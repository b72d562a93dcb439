"""The sQLite 3 example: port, original and cases."""
