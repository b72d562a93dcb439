"""The message flashing example: port, original and cases."""
