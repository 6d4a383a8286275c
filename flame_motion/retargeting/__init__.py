"""Motion carried over: from head to head, from person to person, from side to side."""
