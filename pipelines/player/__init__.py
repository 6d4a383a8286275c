"""A portrait as a file that a browser draws, and the player that draws it."""
