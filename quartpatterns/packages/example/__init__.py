"""The large applications as packages example: port, original and cases."""
