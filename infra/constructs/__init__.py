"""The units that stacks are made of."""
