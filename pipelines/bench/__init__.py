"""What every stage costs on this machine."""
