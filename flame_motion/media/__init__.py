"""Media in: frames and sound of any file, a block at a time."""
