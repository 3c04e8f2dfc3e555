"""What covariances are estimated from: a module's layers, iterates of training, and gradients."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from ..engine.errors import FormatError, InputError
from ..engine.formats.files import replace_with
from .divergence import input_directions
from .latent_train import Course, Lesson, Told, losses, silent, train

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer whose weights are compared: any module with a weight of two or more axes.

    Attributes:
        name: of the module.
        shape: of its weight as the module has it; outputs first.
    """

    name: str
    shape: tuple[int, ...]

    @property
    def outputs(self) -> int:
        """Rows of the weight as a matrix."""
        return self.shape[0]

    @property
    def inputs(self) -> int:
        """Columns of the weight as a matrix."""
        return self.weights // self.shape[0]

    @property
    def weights(self) -> int:
        """How many there are."""
        return int(np.prod(self.shape))


def layers_of(module: nn.Module) -> tuple[Layer, ...]:
    """Return the layers of a module, in its order.

    Raises:
        InputError: there are none.
    """
    found = []
    for name, part in module.named_modules():
        weight = getattr(part, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim >= 2:
            found.append(Layer(name, tuple(weight.shape)))
    if not found:
        raise InputError(f"{type(module).__name__}: has no layer with a matrix of weights")
    return tuple(found)


def parameter_of(module: nn.Module, layer: Layer) -> nn.Parameter:
    """Return the weight of a layer."""
    return module.get_parameter(f"{layer.name}.weight" if layer.name else "weight")


def weights_of(module: nn.Module, layer: Layer) -> Array:
    """Return the weight of a layer as a matrix ``(outputs, inputs)``, float64."""
    held = parameter_of(module, layer).detach().cpu().numpy()
    return held.reshape(layer.outputs, layer.inputs).astype(np.float64)


@contextmanager
def replaced(module: nn.Module, new: Mapping[Layer, Array]) -> Iterator[nn.Module]:
    """Give a module with other weights ``(outputs, inputs)`` in some layers, for as long."""
    old = {layer: parameter_of(module, layer).detach().clone() for layer in new}
    try:
        with torch.no_grad():
            for layer, values in new.items():
                put(module, layer, values)
        yield module
    finally:
        with torch.no_grad():
            for layer, held in old.items():
                parameter_of(module, layer).copy_(held)


def put(module: nn.Module, layer: Layer, values: Array) -> None:
    """Put weights ``(outputs, inputs)`` into a layer."""
    with torch.no_grad():
        parameter = parameter_of(module, layer)
        parameter.copy_(torch.from_numpy(np.array(values)).reshape(layer.shape).to(parameter))


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Weights of all layers, several times, in a file that is read layer by layer.

    Attributes:
        held: ``(samples, weights of all layers)`` float32; may lie on disk.
        places: of each layer, where its weights begin and end.
    """

    held: NDArray[np.float32]
    places: Mapping[Layer, tuple[int, int]]

    def of(self, layer: Layer) -> Array:
        """Return the samples of a layer, ``(samples, weights)`` float64."""
        begin, end = self.places[layer]
        return np.asarray(self.held[:, begin:end], dtype=np.float64)


def _places(layers: Iterable[Layer]) -> dict[Layer, tuple[int, int]]:
    places, begin = {}, 0
    for layer in layers:
        places[layer] = (begin, begin + layer.weights)
        begin += layer.weights
    return places


def gathered(modules: Iterable[nn.Module], layers: tuple[Layer, ...]) -> Samples:
    """Return the weights of several modules, such as of several seeds."""
    rows = [
        np.concatenate([weights_of(module, layer).ravel() for layer in layers])
        for module in modules
    ]
    return Samples(np.array(rows, dtype=np.float32), _places(layers))


def iterates(
    module: nn.Module,
    lesson: Lesson,
    course: Course,
    seed: int,
    count: int,
    every: int,
    file: Path | None = None,
    told: Told = silent,
) -> Samples:
    """Return a module's weights along a training that goes on from it at a constant rate.

    Args:
        module: stays as it is; a copy is trained.
        lesson: to train on.
        course: its epochs are not read; what is needed is taken.
        seed: of the training.
        count: samples, 2 or more.
        every: steps between them, 1 or more.
        file: a .npy file to keep them in, and from which they are read if it is there.
        told: of the progress.

    Raises:
        InputError: a number out of range.
        FormatError: a file that holds other samples.
    """
    if count < 2 or every < 1:
        raise InputError(f"{count} iterates, one in {every} steps: give 2 or more, and 1 or more")
    layers = layers_of(module)
    places = _places(layers)
    whole = sum(layer.weights for layer in layers)
    if file is not None and file.is_file():
        try:
            held = np.load(file, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise FormatError(f"{file}: is no .npy file of iterates: take it away") from error
        if held.shape != (count, whole) or held.dtype != np.float32:
            raise FormatError(f"{file}: holds other iterates: name another folder")
        return Samples(held, places)
    rows = np.zeros((count, whole), dtype=np.float32)
    walker = copy.deepcopy(module)

    def look(step: int) -> bool:
        if step % every:
            return False
        at = step // every
        for layer, (begin, end) in places.items():
            rows[at - 1, begin:end] = parameter_of(walker, layer).detach().cpu().numpy().ravel()
        told("iterates", at, count)
        return at == count

    steps = max(1, len(lesson) // course.batch)
    enough = Course(-(-count * every // steps), course.batch, course.rate, course.optimiser)
    train(walker, lesson, enough, seed, after_step=look)
    if file is not None:
        packed = io.BytesIO()
        np.save(packed, rows)
        replace_with(file, packed.getvalue())
    return Samples(rows, places)


def fisher(
    module: nn.Module, lesson: Lesson, layers: Iterable[Layer], told: Told = silent
) -> dict[Layer, Array]:
    """Return the diagonal of the empirical Fisher information of layers, ``(weights,)`` each.

    It is the mean over rows of the squared derivative of the row's loss, in evaluation mode: the
    log-likelihood of its label, or of its targets under a normal distribution.

    Args:
        module: stays as it is.
        lesson: the rows, each alone.
        layers: to look at.
        told: of the progress.
    """
    chosen = tuple(layers)
    parameters = [parameter_of(module, layer) for layer in chosen]
    sums = [torch.zeros(p.numel(), dtype=torch.float64, device=p.device) for p in parameters]
    was = module.training
    module.eval()
    # The loss of targets is a mean of squares; a normal log-likelihood is half their sum.
    scale = 1.0 if lesson.targets is None else 0.5 * lesson.targets[0].numel()
    for row in range(len(lesson)):
        part = lesson.part(torch.tensor([row], device=lesson.inputs.device))
        slopes: Any = torch.autograd.grad(scale * losses(module, part).sum(), parameters)
        for total, slope in zip(sums, slopes, strict=True):
            total += slope.flatten().double() ** 2
        told("gradients", row + 1, len(lesson))
    module.train(was)
    return {
        layer: (total / len(lesson)).cpu().numpy()
        for layer, total in zip(chosen, sums, strict=True)
    }


@torch.no_grad()
def directions(
    module: nn.Module, lesson: Lesson, seed: int, samples: int = 256
) -> dict[Layer, Array]:
    """Return the strongest directions of each layer's inputs, ``(inputs, directions)``.

    Of a convolution the inputs are the patches under its kernel. Layers that are neither dense nor
    a convolution without groups are left out.

    Args:
        module: stays as it is.
        lesson: rows to look at.
        seed: of the choice among inputs.
        samples: inputs of each layer at most.
    """
    layers = {layer.name: layer for layer in layers_of(module)}
    seen: dict[Layer, Array] = {}
    hooks = []

    def hook(part: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        del out
        layer = layers[names[part]]
        rows = _rows(part, given[0])
        if rows is not None and layer not in seen:
            order = np.random.default_rng([seed, len(seen)]).permutation(len(rows))[:samples]
            seen[layer] = rows[torch.from_numpy(order).to(rows.device)].double().cpu().numpy()

    names = {part: name for name, part in module.named_modules() if name in layers}
    for part in names:
        hooks.append(part.register_forward_hook(hook))
    was = module.training
    try:
        module.eval()(lesson.inputs)
    finally:
        module.train(was)
        for one in hooks:
            one.remove()
    return {layer: input_directions(rows) for layer, rows in seen.items()}


def _rows(part: nn.Module, values: torch.Tensor) -> torch.Tensor | None:
    """Return a layer's inputs as its matrix reads them, ``(many, inputs)``; None if unknown."""
    if isinstance(part, nn.Conv2d):
        if part.groups != 1 or isinstance(part.padding, str) or part.padding_mode != "zeros":
            return None
        patches = functional.unfold(
            values, part.kernel_size, part.dilation, part.padding, part.stride
        )
        return patches.transpose(1, 2).reshape(-1, patches.shape[1])
    weight = part.weight
    if isinstance(weight, nn.Parameter) and weight.ndim == 2:
        if values.shape[-1] != weight.shape[1]:
            return None
        return values.reshape(-1, values.shape[-1])
    return None
