"""The views. ``register_blueprints`` finds the blueprints in the modules of this package."""
