"""Training of the generator: footage as shards, and the Lightning module."""
