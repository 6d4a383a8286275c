"""YAML presets (OmegaConf); each opens with the command that uses it."""
