"""Runs and proofs in files: found, read with suspicion, and shown on this machine alone."""
