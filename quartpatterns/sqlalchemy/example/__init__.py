"""The SQLAlchemy example: port, original and cases."""
