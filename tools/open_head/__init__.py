"""The script that makes the built-in head (`flame_motion/heads/open.npz`); see README.md."""
