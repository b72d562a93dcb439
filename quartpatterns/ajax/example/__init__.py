"""The javaScript, fetch and JSON example: port, original and cases."""
