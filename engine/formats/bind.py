"""Claims and model files brought together: which file is which network, and does it fit.

The rules are those of the VNN-LIB standard, sections 3.1 and 5.3: every declared network but the
copies has one file, inputs and outputs are found by order, or by name where names are stated, and
element types agree unless the claim declares `real`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..claim import Claim, Part, Tensor
from ..errors import InputError, UnsupportedError
from .models import Model, read_model, signature_of
from .onnx_signature import Signature, TensorInfo
from .reorder import reordered

PARTS: Final = (Part.INPUT, Part.HIDDEN, Part.OUTPUT)
UNSAID: Final = ("Constant", "Identity")
"""Operators that make no difference between isomorphic graphs."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A claim and its models.

    Attributes:
        claim: with the names of IR nodes for its hidden tensors.
        models: one for each declared network; copies share one.
    """

    claim: Claim
    models: tuple[Model, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Files:
    """A claim and the files it is asked of, which fit it.

    Attributes:
        claim: inputs and outputs in the order of the files.
        stated: as it was read.
        paths: one for each declared network; copies have that of their original.
        signatures: of these files.
        tensors: for each tensor of `claim` the one of the file that it stands for; None in version
            1, which knows flat inputs and outputs alone.
    """

    claim: Claim
    stated: Claim
    paths: tuple[Path, ...]
    signatures: tuple[Signature, ...]
    tensors: tuple[TensorInfo | None, ...]


def match_files(claim: Claim, given: Sequence[str]) -> Files:
    """Return the file of each declared network, checked against its declaration.

    Args:
        claim: what is asked.
        given: ``NAME=FILE`` each; a FILE alone where the claim has a single one.

    Raises:
        InputError: a network without a file, with two or with one too many; another name; other
            numbers, shapes or element types of tensors than declared.
        FileError, FormatError: a file that cannot be read.
    """
    found: dict[int, Path] = {}
    for text in given:
        index, path = _named(claim, text)
        if index in found:
            raise InputError(
                f"--network {text}: network {claim.networks[index].name} has the file "
                f"{found[index]} already: name one for each"
            )
        found[index] = path
    paths = []
    for index, declared in enumerate(claim.networks):
        owner = declared.target if declared.relation == "equal-to" else index
        if owner not in found:
            raise InputError(
                f"{claim.name}: network {claim.networks[owner or 0].name} has no file: add "
                f"--network {claim.networks[owner or 0].name}=FILE"
            )
        paths.append(found[owner])
    read: dict[Path, Signature] = {}
    for path in paths:
        read.setdefault(path, read.get(path) or signature_of(path))
    signatures = tuple(read[path] for path in paths)
    tensors: dict[str, TensorInfo | None] = {}
    for index, signature in enumerate(signatures):
        tensors |= _fit(claim, index, signature)
        _check_isomorphic(claim, index, signatures)
    ordered = _in_file_order(claim, signatures, tensors)
    infos = tuple(tensors[tensor.name] for tensor in ordered.tensors)
    return Files(ordered, claim, tuple(paths), signatures, infos)


def bind(files: Files) -> Bound:
    """Return the models of a claim's files.

    Raises:
        UnsupportedError: a file that holds an operator or a construct that is not handled, or a
            hidden tensor that the import folds away.
        FileError, FormatError, MismatchError: a file that cannot be read.
    """
    claim = files.claim
    models: dict[Path, Model] = {}
    for path in files.paths:
        hidden = [
            str(tensor.node)
            for tensor in claim.tensors
            if tensor.part is Part.HIDDEN and files.paths[tensor.network] == path
        ]
        if path not in models:
            models[path] = read_model(path, hidden=tuple(dict.fromkeys(hidden)))
    for path, model in models.items():
        if model.network.output == model.network.input.name:
            raise UnsupportedError(f"{path}: computes nothing, its output is its input")
    chosen = tuple(models[path] for path in files.paths)
    tensors = tuple(
        replace(tensor, node=chosen[tensor.network].hidden[str(tensor.node)].node)
        if tensor.part is Part.HIDDEN
        else tensor
        for tensor in claim.tensors
    )
    return Bound(replace(claim, tensors=tensors), chosen)


def _in_file_order(
    claim: Claim, signatures: Sequence[Signature], infos: Mapping[str, TensorInfo | None]
) -> Claim:
    """Return the claim with inputs and outputs found by order, where it finds them by name."""

    def place(index: int) -> tuple[int, int, int]:
        tensor = claim.tensors[index]
        info, signature = infos[tensor.name], signatures[tensor.network]
        if info is None or tensor.node is None or tensor.part is Part.HIDDEN:
            return tensor.network, PARTS.index(tensor.part), index
        ends = signature.inputs if tensor.part is Part.INPUT else signature.outputs
        return tensor.network, PARTS.index(tensor.part), ends.index(info)

    if all(tensor.node is None for tensor in claim.tensors if tensor.part is not Part.HIDDEN):
        return claim
    found = reordered(claim, sorted(range(len(claim.tensors)), key=place))
    tensors = tuple(
        tensor if tensor.part is Part.HIDDEN else replace(tensor, node=None)
        for tensor in found.tensors
    )
    return replace(found, tensors=tensors)


def _named(claim: Claim, text: str) -> tuple[int, Path]:
    """Return the declared network and the file that one ``--network`` names."""
    name, equals, file = text.partition("=")
    names = [declared.name for declared in claim.networks]
    owners = [i for i, declared in enumerate(claim.networks) if declared.relation != "equal-to"]
    if equals and name in names:
        index = names.index(name)
        if index not in owners:
            original = names[claim.networks[index].target or 0]
            raise InputError(
                f"--network {text}: {name} is declared equal-to {original} and takes its file: "
                "leave this one out"
            )
        if not file:
            raise InputError(f"--network {text}: names no file: write {name}=FILE")
        return index, Path(file)
    if not equals or Path(text).is_file():
        if len(owners) == 1:
            return owners[0], Path(text)
        raise InputError(
            f"--network {text}: {claim.name} declares several networks: write NAME=FILE, NAME one "
            f"of {', '.join(names[i] for i in owners)}"
        )
    raise InputError(
        f"--network {text}: {claim.name} declares no network {name!r}: name one of "
        f"{', '.join(names[i] for i in owners)}"
    )


def _fit(claim: Claim, network: int, signature: Signature) -> dict[str, TensorInfo | None]:
    """Return which tensor of a file each declared tensor of a network is."""
    found: dict[str, TensorInfo | None] = {}
    for part, infos in ((Part.INPUT, signature.inputs), (Part.OUTPUT, signature.outputs)):
        tensors = claim.of(network, part)
        if claim.version == 1:
            _check_sizes(claim, tensors, infos, signature)
            found |= dict.fromkeys([tensor.name for tensor in tensors])
            continue
        if len(tensors) != len(infos):
            raise InputError(
                f"{claim.name}: network {claim.networks[network].name} declares {len(tensors)} "
                f"{part.value}s, the file {signature.path} has {len(infos)}: declare as many, or "
                "name the file that belongs to it"
            )
        by_name = {info.name: info for info in infos}
        for tensor, info in zip(tensors, infos, strict=True):
            if tensor.node is not None:
                info = _stated(claim, tensor, by_name, signature)
            _check_type(claim, tensor, info, signature)
            found[tensor.name] = info
        used = [info.name for info in found.values() if info is not None]
        if len(set(used)) < len(used):
            raise InputError(
                f"{claim.name}: two {part.value}s of network {claim.networks[network].name} stand "
                f"for one tensor of {signature.path}: name each once"
            )
    hidden = claim.of(network, Part.HIDDEN)
    inside: dict[str, TensorInfo] = {}
    if hidden:  # the shapes of all tensors are inferred: as long as importing a small network
        inside = {info.name: info for info in signature.inputs} | signature.inside
    for tensor in hidden:
        info = _stated(claim, tensor, inside, signature)
        _check_type(claim, tensor, info, signature)
        found[tensor.name] = info
    return found


def _stated(
    claim: Claim, tensor: Tensor, infos: dict[str, TensorInfo], signature: Signature
) -> TensorInfo:
    if tensor.node not in infos:
        few = ", ".join(repr(name) for name in list(infos)[:8]) or "none"
        raise InputError(
            f"{claim.name}: {tensor.part.value} {tensor.name} stands for {tensor.node!r}, which "
            f"{signature.path} does not hold: name one of its tensors ({few}"
            f"{', ...' if len(infos) > 8 else ''})"
        )
    return infos[tensor.node]


def _check_sizes(
    claim: Claim, tensors: Sequence[Tensor], infos: Sequence[TensorInfo], signature: Signature
) -> None:
    """Raise InputError unless flat inputs or outputs have the file's number of entries."""
    stated = sum(tensor.size for tensor in tensors)
    total = 0
    for info in infos:
        if info.shape is None:
            return  # whoever imports the file learns the size and compares it
        size = 1
        for axis, entries in enumerate(info.shape):
            if entries is None and axis:
                raise _open_axis(signature, info, axis)
            size *= 1 if entries is None else entries
        total += size
    if total != stated:
        what = tensors[0].part.value
        raise InputError(
            f"{claim.name} declares {stated} {what}s, the file {signature.path} has {total}: name "
            "the file that belongs to this claim"
        )


def _check_type(claim: Claim, tensor: Tensor, info: TensorInfo, signature: Signature) -> None:
    """Raise InputError unless a declared tensor has its tensor's element type and shape."""
    where = f"{claim.name}: {tensor.part.value} {tensor.name}"
    if tensor.element != "real" and not signature.opset:
        raise InputError(
            f"{where} is declared {tensor.element}, {signature.path} states no element type: "
            "declare it real"
        )
    if tensor.element != "real" and info.element and tensor.element != info.element:
        raise InputError(
            f"{where} is declared {tensor.element}, tensor {info.name!r} of {signature.path} is "
            f"{info.element}: declare it {info.element}, or real"
        )
    if info.shape is None:
        return
    if any(size is None for size in info.shape[1:]):
        raise _open_axis(signature, info, info.shape.index(None, 1))
    shape = tuple(1 if size is None else size for size in info.shape)
    if shape != tensor.shape:
        raise InputError(
            f"{where} is declared {list(tensor.shape)}, tensor {info.name!r} of {signature.path} "
            f"is {list(shape)}: declare it so, or name the file that belongs to it"
        )


def _open_axis(signature: Signature, info: TensorInfo, axis: int) -> UnsupportedError:
    return UnsupportedError(
        f"{signature.path}: tensor {info.name!r} leaves the size of axis {axis} open: only the "
        "first may be open, as the batch axis; export the model with a fixed shape"
    )


def _check_isomorphic(claim: Claim, network: int, signatures: Sequence[Signature]) -> None:
    """Raise InputError where a network said to be isomorphic has other operators."""
    declared = claim.networks[network]
    if declared.relation != "isomorphic-to" or declared.target is None:
        return
    ours, theirs = signatures[network], signatures[declared.target]
    if ours.operators(UNSAID) != theirs.operators(UNSAID):
        raise InputError(
            f"{claim.name}: network {declared.name} is declared isomorphic-to "
            f"{claim.networks[declared.target].name}, the files {ours.path} and {theirs.path} "
            "differ in their operators: leave the statement out, or name the files that belong"
        )
