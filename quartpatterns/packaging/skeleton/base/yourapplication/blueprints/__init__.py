"""The views. All blueprints in the modules of this package are registered automatically."""
