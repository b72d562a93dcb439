"""The lazily loaded views example: port, original and cases."""
