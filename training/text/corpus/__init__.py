"""The corpus: words and the motion they mean, generated together and never stored."""
