"""Enclosures of any ONNX graph, rounding errors of float evaluation, and decisions by them."""
