"""A network that makes a drawn mouth look like a photo's: on a crop of each frame, told the photo's own mouth."""
