"""Which triangle is seen at each pixel: one question, several back ends."""
