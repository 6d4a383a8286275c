"""Pictures for people: pages that show a head, colours for maps."""
