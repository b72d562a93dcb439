"""The views. ``register_blueprints`` finds the blueprints in these modules."""
