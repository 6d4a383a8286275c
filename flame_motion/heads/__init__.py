"""Heads: their structure, their files, and how vertices follow parameters."""
