"""Questions about two networks as files that other verifiers read."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import onnx
from onnx import compose, helper

from ..engine.formats.models import signature_of
from ..engine.formats.vnnlib_write import write_claim
from .pair_instances import Known, PairInstance
from .peers import Answer
from .peers.race import Entry

ANSWERS = {Known.EQUIVALENT: Answer.UNSAT, Known.DIFFERENT: Answer.SAT, Known.OPEN: None}
"""What a verifier would say of a question."""

DIFFERENCE = "difference"
"""Name of the output of a graph of both networks."""


def entry(instance: PairInstance, folder: Path) -> Entry:
    """Return a question as VNN-LIB 2 and, where that can be, about the network ``f - g``.

    The second form is VNN-LIB 1 and one ONNX file, for verifiers that take one network.

    Args:
        instance: the question.
        folder: where its files are written.

    Raises:
        InputError: a network's file that cannot be used.
    """
    signature = signature_of(instance.first)
    shape_in, shape_out = _fixed(signature.inputs[0].shape), _fixed(signature.outputs[0].shape)
    query, expected = folder / f"{instance.name}.vnnlib", ANSWERS[instance.known]
    write_claim(instance.claim(shape_out, shape_in), query)
    alone, text = None, instance.merged_query(prod(shape_out))
    graph = side_by_side(instance.first, instance.second)
    if text is not None and graph is not None:
        single, file = folder / f"{instance.name}.1.vnnlib", folder / f"{instance.name}.onnx"
        single.write_text(text)
        onnx.save(graph, file)
        alone = Entry(instance.name, single, {"N": file}, expected)
    files = {"f": instance.first, "g": instance.second}
    return Entry(instance.name, query, files, expected, alone)


def side_by_side(first: Path, second: Path) -> onnx.ModelProto | None:
    """Return one graph that computes ``f - g``, both as they are in their files, on one input.

    None where the files are of different opsets, or their inputs or outputs of different shapes.
    """
    models = [onnx.load(file) for file in (first, second)]
    graphs = [compose.add_prefix(m, p).graph for m, p in zip(models, ("f_", "g_"), strict=True)]
    inputs = [_fed(graph) for graph in graphs]
    ours, theirs = inputs[0], inputs[1]
    same = [str(ours.type) == str(theirs.type), _opset(models[0]) == _opset(models[1])]
    same.append(str(graphs[0].output[0].type) == str(graphs[1].output[0].type))
    if not all(same):
        return None
    for node in graphs[1].node:
        for place, name in enumerate(node.input):
            if name == theirs.name:
                node.input[place] = ours.name
    ends = [graph.output[0].name for graph in graphs]
    output = onnx.ValueInfoProto()
    output.CopyFrom(graphs[0].output[0])
    output.name = DIFFERENCE
    graph = helper.make_graph(
        [*graphs[0].node, *graphs[1].node, helper.make_node("Sub", ends, [DIFFERENCE])],
        "f-g",
        [ours],
        [output],
        [*graphs[0].initializer, *graphs[1].initializer],
    )
    model = helper.make_model(graph, opset_imports=models[0].opset_import)
    model.ir_version = models[0].ir_version
    if model.ir_version < 4:  # before, every initializer had to be an input as well
        model.graph.input.extend(
            value
            for one, fed in zip(graphs, inputs, strict=True)
            for value in one.input
            if value.name != fed.name
        )
    return model


def _fixed(shape: Sequence[int | None] | None) -> tuple[int, ...]:
    """Return a shape with an open batch axis set to one point."""
    return tuple(1 if axis is None else axis for axis in shape or ())


def _fed(graph: onnx.GraphProto) -> onnx.ValueInfoProto:
    """Return the input that is no weight."""
    weights = {one.name for one in graph.initializer}
    found: onnx.ValueInfoProto = next(one for one in graph.input if one.name not in weights)
    return found


def _opset(model: onnx.ModelProto) -> int:
    return max(int(one.version) for one in model.opset_import if one.domain in ("", "ai.onnx"))
