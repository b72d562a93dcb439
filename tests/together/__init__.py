"""Applications that are built of several helpers."""
