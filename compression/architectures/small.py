"""A small convolutional network whose every layer is bounded in seconds."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from .names import Plan

CHANNELS: Final = (8, 16, 16)
HIDDEN: Final = 32


class Small(nn.Module):
    """Three convolutions, two of stride 2, and three dense layers; no pool and no normalisation.

    It takes ``(batch, channels, side, side)`` float32 and gives ``(batch, classes)`` scores.
    """

    def __init__(self, plan: Plan, side: int) -> None:
        super().__init__()
        one, two, three = (plan.scaled(size) for size in CHANNELS)
        hidden = plan.scaled(HIDDEN)
        left = (side + 3) // 4
        self.features = nn.Sequential(
            nn.Conv2d(plan.channels, one, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(one, two, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(two, three, 3, padding=1),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(three * left**2, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, plan.classes),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the scores of pictures."""
        scores: torch.Tensor = self.classifier(self.features(pictures).flatten(1))
        return scores
