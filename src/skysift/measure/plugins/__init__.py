"""The measurement plugins, one module a family; `skysift.measure.registry.load_plugins` imports them."""
