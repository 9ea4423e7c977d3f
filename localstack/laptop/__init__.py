"""Ingot on a laptop: starts, follows and stops the services, and runs the demo. See ``python -m laptop``."""
