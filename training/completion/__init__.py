"""Training of the completion network: people made up from textured heads, photos of them, and the loop."""
