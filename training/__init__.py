"""Trainings of every model: data, batches, Lightning modules and the functions behind `flamecast train`."""
