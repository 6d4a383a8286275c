"""Trainings of the speech driver."""
