"""VGG16 for 32 by 32: torchvision's layers and names, with and without batch normalisation.

Source: Simonyan and Zisserman 2015, configuration D, as torchvision defines it.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from .names import Plan

BLOCKS: Final = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
HIDDEN: Final = 4096


class Vgg16(nn.Module):
    """Thirteen convolutions in five blocks, and three dense layers.

    It takes ``(batch, channels, 32, 32)`` float32 and gives ``(batch, classes)`` scores.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        assert plan.pooled is not None
        self.features = nn.Sequential(*_features(plan))
        self.avgpool = nn.AdaptiveAvgPool2d(plan.pooled)
        hidden = plan.scaled(HIDDEN)
        self.classifier = nn.Sequential(
            nn.Linear(plan.scaled(BLOCKS[-1][-1]) * plan.pooled**2, hidden),
            nn.ReLU(),
            nn.Dropout(plan.dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(plan.dropout),
            nn.Linear(hidden, plan.classes),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):  # sixteen layers deep: keep the variance
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the scores of pictures."""
        scores: torch.Tensor = self.classifier(self.avgpool(self.features(pictures)).flatten(1))
        return scores


def _features(plan: Plan) -> list[nn.Module]:
    layers: list[nn.Module] = []
    before = plan.channels
    for block in BLOCKS:
        for size in block:
            here = plan.scaled(size)
            layers.append(nn.Conv2d(before, here, 3, padding=1))
            if plan.batch_norm:
                layers.append(nn.BatchNorm2d(here))
            layers.append(nn.ReLU())
            before = here
        layers.append(nn.MaxPool2d(2))
    return layers
