"""The mongoDB example: port, original and cases."""
