"""Architectures for pictures of 32 by 32, with the names of torchvision's state dicts."""

from .names import Architecture, Plan

__all__ = ["Architecture", "Plan"]
