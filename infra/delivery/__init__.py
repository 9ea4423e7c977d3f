"""How changes reach the environments: the delivery app, and the smoke test that follows a deployment."""
