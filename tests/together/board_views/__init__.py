"""Blueprints of the application that has every helper, for ``register_blueprints``."""
