"""The sQLAlchemy example: port, original and cases."""
