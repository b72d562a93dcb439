"""The views, a module for each group: each blueprint in here is found and registered."""
