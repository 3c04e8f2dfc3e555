"""ResNet50 for 32 by 32: torchvision's layers and names; the first stride and the first pool go.

Source: He et al. 2016 with the stride in the 3 by 3 convolution, as torchvision defines it.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from .names import Plan

STEM: Final = 64
STAGES: Final = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Inner channels, blocks and stride of each stage."""

EXPANSION: Final = 4
"""Outer channels of a block, in its inner ones."""


class Bottleneck(nn.Module):
    """Three convolutions around which the input skips."""

    def __init__(self, before: int, inner: int, stride: int) -> None:
        super().__init__()
        outer = EXPANSION * inner
        self.conv1 = nn.Conv2d(before, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.relu = nn.ReLU()
        self.downsample: nn.Sequential | None = None
        if stride != 1 or before != outer:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, outer, 1, stride=stride, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, outer, height / stride, width / stride)``."""
        inner = self.relu(self.bn1(self.conv1(values)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        skipped = values if self.downsample is None else self.downsample(values)
        out: torch.Tensor = self.relu(self.bn3(self.conv3(inner)) + skipped)
        return out


class ResNet50(nn.Module):
    """Sixteen blocks of three convolutions, and a dense layer.

    It takes ``(batch, channels, 32, 32)`` float32 and gives ``(batch, classes)`` scores.
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        assert plan.stem is not None
        before = plan.scaled(STEM)
        self.conv1 = nn.Conv2d(plan.channels, before, plan.stem, padding=plan.stem // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(before)
        self.relu = nn.ReLU()
        stages = []
        for size, count, stride in STAGES:
            inner = plan.scaled(size)
            blocks = []
            for block in range(count):
                blocks.append(Bottleneck(before, inner, stride if block == 0 else 1))
                before = EXPANSION * inner
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, plan.classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the scores of pictures."""
        values = self.relu(self.bn1(self.conv1(pictures)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            values = stage(values)
        scores: torch.Tensor = self.fc(self.avgpool(values).flatten(1))
        return scores
