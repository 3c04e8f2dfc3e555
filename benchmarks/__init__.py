"""Measurements and the embedded demo controllers; nothing imports this but the roof."""
