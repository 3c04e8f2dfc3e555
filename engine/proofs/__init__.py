"""Certificates: what they say, how they are written, and a checker that trusts nothing else."""
