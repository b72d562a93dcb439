"""The uploading files example: port, original and cases."""
