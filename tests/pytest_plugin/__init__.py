"""The pytest plugin, in pytest runs of users."""
