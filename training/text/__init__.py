"""Trainings of the text driver."""
