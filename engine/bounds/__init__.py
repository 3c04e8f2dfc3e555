"""Bounds of neurons over boxes, from cheap to dear; every one of them is rounded outward."""
