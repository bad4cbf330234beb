"""Energies: what the motion should be, as a scalar over a network's features."""
