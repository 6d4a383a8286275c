"""The built-in head: its data (open.npz, with a card) and the script that builds it (build.py)."""
