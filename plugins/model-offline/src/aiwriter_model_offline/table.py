"""The model's table of word pieces stays in eight bits, as its file has it.

The graph widens all 30,522 rows to single precision and then picks the few that a text has; ONNX Runtime does the widening
once and keeps the result: 45 MB for every process that embeds. Here the rows are picked first and widened then, which
gives the same numbers.

The messages are those parts of ONNX's that are touched, with its field numbers
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3); protobuf keeps all others as they are.
"""

from __future__ import annotations

from typing import Any

_TABLE = "inner.embeddings.word_embeddings.weight"
_PIECES = "input_ids"


def pick_first(model: bytes) -> bytes:
    """The same model, with the rows of a text picked before they are widened.

    Args:
        model: the ONNX file whose hash is pinned.

    Raises:
        ValueError: it has no such table.
    """
    message = _model_class().FromString(model)
    graph = message.graph
    made = {node.output[0]: node for node in graph.node}
    picks = [node for node in graph.node if node.op_type == "Gather" and list(node.input) == [_TABLE, _PIECES]]
    if len(picks) != 1 or made[_TABLE].op_type != "Mul" or made[_TABLE].input[0] not in made:
        raise ValueError("the model has no table of word pieces")
    [pick], scale = picks, made[_TABLE]
    widen = made[scale.input[0]]
    of_scale = type(pick)()
    of_scale.CopyFrom(pick)
    of_scale.input[0], of_scale.output[0], of_scale.name = scale.input[1], f"{pick.output[0]}_scale", "pick_scale"
    scale.input[1], scale.output[0] = of_scale.output[0], pick.output[0]
    pick.input[0], pick.output[0] = widen.input[0], f"{pick.output[0]}_q"
    widen.input[0] = pick.output[0]
    # A graph's nodes stand in the order in which they are reckoned.
    moved = [pick, of_scale, widen, scale]
    rest = [node for node in graph.node if node not in (widen, scale)]
    at = rest.index(pick)
    ordered = [type(pick).FromString(node.SerializeToString()) for node in [*rest[:at], *moved, *rest[at + 1 :]]]
    del graph.node[:]
    graph.node.extend(ordered)
    changed: bytes = message.SerializeToString()
    return changed


def _model_class() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="aiwriter/onnx.proto", package="aiwriter.onnx", syntax="proto2")
    for name, fields in {
        "Node": (("input", 1, True, ""), ("output", 2, True, ""), ("name", 3, False, ""), ("op_type", 4, False, "")),
        "Graph": (("node", 1, True, "Node"),),
        "Model": (("graph", 7, False, "Graph"),),
    }.items():
        message = file.message_type.add(name=name)
        for field, number, repeated, of in fields:
            label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, label=label)
            made.type = kinds.TYPE_MESSAGE if of else kinds.TYPE_STRING
            if of:
                made.type_name = f".aiwriter.onnx.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aiwriter.onnx.Model"))
