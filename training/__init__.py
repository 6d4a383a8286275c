"""What trains the networks that ship."""
