"""The network of the mouth: pairs of drawn and true mouths out of footage, and its training."""
