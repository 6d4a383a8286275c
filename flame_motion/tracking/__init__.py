"""From pictures to parameters: landmarks, their fit by least squares, and the tracking of a whole clip."""
