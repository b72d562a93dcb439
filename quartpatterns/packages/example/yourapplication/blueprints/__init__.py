"""A module for each part of the application."""
