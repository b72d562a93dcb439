"""Readers of the documentation, who do what a page says."""
