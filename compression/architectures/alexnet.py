"""AlexNet for 32 by 32: torchvision's layers and names, with strides that leave maps of 2 by 2.

Source: Krizhevsky 2014 (One weird trick), as torchvision defines it.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from .names import Plan

CHANNELS: Final = (64, 192, 384, 256, 256)
HIDDEN: Final = 4096


class AlexNet(nn.Module):
    """Five convolutions and three dense layers.

    It takes ``(batch, channels, 32, 32)`` float32 and gives ``(batch, classes)`` scores.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        assert plan.stem is not None
        assert plan.pooled is not None
        one, two, three, four, five = (plan.scaled(size) for size in CHANNELS)
        hidden = plan.scaled(HIDDEN)
        self.features = nn.Sequential(
            nn.Conv2d(plan.channels, one, plan.stem, stride=2, padding=plan.stem // 2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(one, two, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(two, three, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(three, four, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(four, five, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(plan.pooled)
        self.classifier = nn.Sequential(
            nn.Dropout(plan.dropout),
            nn.Linear(five * plan.pooled**2, hidden),
            nn.ReLU(),
            nn.Dropout(plan.dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, plan.classes),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the scores of pictures."""
        scores: torch.Tensor = self.classifier(self.avgpool(self.features(pictures)).flatten(1))
        return scores
