"""Smaller networks for smaller regions."""
