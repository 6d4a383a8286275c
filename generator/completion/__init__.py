"""From what one photo shows of a head to all of its surface: the atlas, the network, and how its answer is joined."""
