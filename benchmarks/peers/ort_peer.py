"""ONNX Runtime: graphs made with `onnx.helper`, one CPU session each; NumPy arrays go in, NumPy arrays come
out.

It does not tell how many threads a session has; what is recorded is the number of threads of the process that
were not there before the first session, and the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.harness.adapter import BasePeer, Programs, named_threads
from benchmarks.harness.case import Array, Case
from benchmarks.workloads.neural import HEADS, PARAMETERS
from benchmarks.workloads.reductions import AXES
from benchmarks.workloads.rows import EPSILON

PROGRAMS = Programs()
OPSET, IR_VERSION = 18, 10
KINDS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64}


class Peer(BasePeer):
    programs = PROGRAMS

    def __init__(self, threads: int, variant: str = "") -> None:
        super().__init__(threads, variant)
        self.others = named_threads("") - 1

    def versions(self) -> dict[str, str]:
        return {"onnxruntime": onnxruntime.__version__, "onnx": onnx.__version__}

    def threads(self) -> dict[str, int]:
        return {"intra_op": named_threads("") - self.others}

    def session(self, text: Graph, example: Sequence[Array], dtype: str) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.asked
        options.inter_op_num_threads = 1
        model = text.model(example, dtype)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [i.name for i in session.get_inputs()]

        def call(*arrays: Any) -> Any:
            return session.run(None, dict(zip(names, arrays, strict=True)))

        return call


class Graph:
    """Nodes in order; every operation gives the name of its result. The last result is the output."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def split(self, value: str, parts: int, axis: int) -> list[str]:
        names = [f"s{len(self.nodes)}_{i}" for i in range(parts)]
        self.nodes.append(helper.make_node("Split", [value], names, axis=axis, num_outputs=parts))
        return names

    def constant(self, value: Any, dtype: str | None = None) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype or self.dtype), name))
        return name

    def model(self, example: Sequence[Array], dtype: str) -> bytes:
        inputs = [
            helper.make_tensor_value_info(f"a{i}", KINDS[str(a.dtype)], list(a.shape))
            for i, a in enumerate(example)
        ]
        last = self.nodes[-1].output[0]
        kind = TensorProto.INT64 if self.nodes[-1].op_type == "ArgMax" else KINDS[dtype]
        output = onnx.ValueInfoProto(
            name=last, type=onnx.TypeProto(tensor_type=onnx.TypeProto.Tensor(elem_type=kind))
        )
        graph = helper.make_graph(self.nodes, "program", inputs, [output], self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        made: bytes = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION
        ).SerializeToString()
        return made


@PROGRAMS("call_add1")
def call_add1(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("Add", "a0", g.constant(1))
    return peer.session(g, example, case.dtype)


@PROGRAMS("call_fma", "axpy")
def call_fma(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("Add", g.op("Mul", "a0", "a1"), "a2")
    return peer.session(g, example, case.dtype)


@PROGRAMS("elem12")
def elem12(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    a = g.op("Exp", g.op("Mul", g.op("Mul", "a0", "a0"), g.constant(-0.5)))
    b = g.op("Log", g.op("Add", g.op("Abs", "a0"), g.constant(1.5)))
    c = g.op("Tanh", g.op("Add", g.op("Mul", a, b), "a0"))
    g.op("Sub", g.op("Mul", c, g.constant(0.5)), g.op("Sqrt", a))
    return peer.session(g, example, case.dtype)


@PROGRAMS(*(f"{op}_{where}" for op in ("sum", "max") for where in AXES))
def reduction(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    op, where = case.workload.split("_")
    axis, g = AXES[where], Graph(case.dtype)
    axes = g.constant([0, 1] if axis is None else [axis], "int64")
    g.op({"sum": "ReduceSum", "max": "ReduceMax"}[op], "a0", axes, keepdims=0)
    return peer.session(g, example, case.dtype)


@PROGRAMS("argmax_axis0", "argmax_axis1")
def argmax(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("ArgMax", "a0", axis=AXES[case.workload.split("_")[1]], keepdims=0)
    return peer.session(g, example, case.dtype)


@PROGRAMS("logsumexp")
def logsumexp(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("ReduceLogSumExp", "a0", g.constant([1], "int64"), keepdims=0)
    return peer.session(g, example, case.dtype)


@PROGRAMS("softmax")
def softmax(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("Softmax", "a0", axis=1)
    return peer.session(g, example, case.dtype)


@PROGRAMS("layernorm")
def layernorm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("LayerNormalization", "a0", "a1", "a2", axis=-1, epsilon=EPSILON)
    return peer.session(g, example, case.dtype)


@PROGRAMS("transpose_add")
def transpose_add(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("Add", g.op("Transpose", "a0", perm=[1, 0]), "a0")
    return peer.session(g, example, case.dtype)


@PROGRAMS("gemm", "bmm")
def gemm(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("MatMul", "a0", "a1")
    return peer.session(g, example, case.dtype)


@PROGRAMS("gemm_bias_relu")
def gemm_bias_relu(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("Relu", g.op("Gemm", "a0", "a1", "a2"))
    return peer.session(g, example, case.dtype)


@PROGRAMS("gather")
def gather(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("Gather", "a0", "a1", axis=0)
    return peer.session(g, example, case.dtype)


@PROGRAMS("conv2d")
def conv2d(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("Conv", "a0", "a1", pads=[1, 1, 1, 1])
    return peer.session(g, example, case.dtype)


@PROGRAMS("maxpool")
def maxpool(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    g = Graph(case.dtype)
    g.op("MaxPool", "a0", kernel_shape=[2, 2], strides=[2, 2])
    return peer.session(g, example, case.dtype)


@PROGRAMS("transformer")
def transformer(peer: Peer, case: Case, state: Any, example: Any) -> Any:
    batch, time, d = case.dims
    g = Graph(case.dtype)
    p = {name: f"a{i + 1}" for i, name in enumerate(PARAMETERS)}
    shape = g.constant([batch, time, HEADS, d // HEADS], "int64")

    def heads(value: str, perm: list[int]) -> str:
        return g.op("Transpose", g.op("Reshape", value, shape), perm=perm)

    def norm(value: str, weight: str, bias: str) -> str:
        return g.op("LayerNormalization", value, p[weight], p[bias], axis=-1, epsilon=EPSILON)

    def affine(value: str, weight: str, bias: str) -> str:
        return g.op("Add", g.op("MatMul", value, p[weight]), p[bias])

    q, k, v = g.split(affine("a0", "wqkv", "bqkv"), 3, axis=2)
    scores = g.op("MatMul", heads(q, [0, 2, 1, 3]), heads(k, [0, 2, 3, 1]))
    scores = g.op("Softmax", g.op("Mul", scores, g.constant((d // HEADS) ** -0.5)), axis=-1)
    mixed = g.op("Transpose", g.op("MatMul", scores, heads(v, [0, 2, 1, 3])), perm=[0, 2, 1, 3])
    mixed = g.op("Reshape", mixed, g.constant([batch, time, d], "int64"))
    y = norm(g.op("Add", "a0", affine(mixed, "wo", "bo")), "g1", "c1")
    h = affine(g.op("Relu", affine(y, "w1", "b1")), "w2", "b2")
    norm(g.op("Add", y, h), "g2", "c2")
    return peer.session(g, example, case.dtype)
