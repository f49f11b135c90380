"""Operators and their gradients in float64, from PyTorch: python tools/golden/graph.py > test/golden/graph/operators.json

Each case: operator, attributes and inputs as the IR has them, the result, the gradient that is sent back into it, and what arrives at
every float32 input (null for the others).
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

random = np.random.default_rng(20250301)
cases = []


def normal(*dims):
    return torch.tensor(random.normal(size=dims).round(3), dtype=torch.float64)


def between(low, high, *dims):
    return torch.tensor(random.uniform(low, high, size=dims).round(3), dtype=torch.float64)


def whole(values):
    return torch.tensor(values, dtype=torch.int64)


NAMES = {
    torch.float64: "float32",
    torch.int64: "int64",
    torch.int32: "int32",
    torch.bool: "bool",
    torch.uint8: "uint8",
    torch.int8: "int8",
}


def array(value):
    numbers = value.detach().reshape(-1).tolist()
    return {"dtype": NAMES[value.dtype], "dims": list(value.shape), "values": [int(n) if value.dtype == torch.bool else n for n in numbers]}


def case(op, inputs, function, **attributes):
    floats = [x.requires_grad_() for x in inputs if x.dtype == torch.float64]
    y = function(*inputs)
    one = {"op": op, "attributes": attributes, "inputs": [array(x) for x in inputs], "result": array(y)}
    if y.requires_grad:
        seed = normal(*y.shape)
        arrived = dict(zip(map(id, floats), torch.autograd.grad(y, floats, seed, allow_unused=True)))
        one["seed"] = array(seed)
        one["gradients"] = [None if arrived.get(id(x)) is None else array(arrived[id(x)]) for x in inputs]
    cases.append(one)


for op, function, low, high in [
    ("Neg", torch.neg, -2, 2),
    ("Exp", torch.exp, -3, 3),
    ("Log", torch.log, 0.1, 5),
    ("Sqrt", torch.sqrt, 0.1, 5),
    ("Reciprocal", torch.reciprocal, 0.2, 3),
    ("Sigmoid", torch.sigmoid, -5, 5),
    ("Tanh", torch.tanh, -3, 3),
    ("Erf", torch.erf, -4, 4),
]:
    case(op, [between(low, high, 2, 5)], function)

for op, function in [("Add", torch.add), ("Sub", torch.sub), ("Mul", torch.mul), ("Div", torch.div)]:
    case(op, [normal(2, 3), between(0.5, 2, 2, 3)], function)
    case(op, [normal(3, 1), between(-2, -0.5, 2, 1, 4)], function)
    case(op, [normal(2, 2), between(0.5, 2)], function)

case("Equal", [whole([[1], [2]]), whole([2, 1, 2])], torch.eq)
case("LessOrEqual", [normal(3, 1), normal(4)], torch.le)
case("Where", [torch.tensor([[True], [False]]), normal(3), normal(2, 1)], torch.where)
case("Cast", [between(-3, 3, 5)], lambda x: x.detach().to(torch.int64), to="int64")
case("Cast", [torch.tensor([True, False])], lambda x: x.double(), to="float32")

case("MatMul", [normal(3, 4), normal(4, 2)], torch.matmul)
case("MatMul", [normal(2, 1, 3, 4), normal(3, 4, 2)], torch.matmul)
case("MatMul", [normal(3, 4), normal(2, 4, 2)], torch.matmul)
for trans_a in (False, True):
    for trans_b in (False, True):
        a, b = normal(*((4, 3) if trans_a else (3, 4))), normal(*((2, 4) if trans_b else (4, 2)))

        def product(a, b, c, trans_a=trans_a, trans_b=trans_b):
            return 0.75 * (a.T if trans_a else a) @ (b.T if trans_b else b) + c

        addend = normal(2) if trans_a else normal(3, 1)
        case("Gemm", [a, b, addend], product, transA=trans_a, transB=trans_b, alpha=0.75)

for op, function in [("ReduceSum", torch.sum), ("ReduceMean", torch.mean), ("ReduceMax", torch.amax)]:
    case(op, [normal(2, 3, 4)], lambda x, f=function: f(x, dim=(-1, 0)), axes=[-1, 0], keepDims=False)
    case(op, [normal(2, 3)], lambda x, f=function: f(x, dim=1, keepdim=True), axes=[1], keepDims=True)

for scale in (1, 8):
    case("Softmax", [scale * normal(2, 2, 4)], lambda x: F.softmax(x, dim=-1))
    case("LogSoftmax", [scale * normal(2, 2, 4)], lambda x: F.log_softmax(x, dim=-1))

case("LayerNormalization", [normal(2, 2, 5), normal(5), normal(5)], lambda x, w, b: F.layer_norm(x, (5,), w, b, 1e-5), epsilon=1e-5)
case("LayerNormalization", [normal(3, 5), normal(5)], lambda x, w: F.layer_norm(x, (5,), w, None, 0.1), epsilon=0.1)
case("SimplifiedLayerNormalization", [normal(2, 2, 5), normal(5)], lambda x, w: F.rms_norm(x, (5,), w, 1e-6), epsilon=1e-6)
case("SimplifiedLayerNormalization", [normal(3, 5), normal(5)], lambda x, w: F.rms_norm(x, (5,), w, 0.1), epsilon=0.1)


def rotate(x, positions, cos, sin):
    """Llama's rotation: x · cos + rotate_half(x) · sin, tables repeated for both halves; they are data."""
    cos, sin = (torch.cat([t, t], -1).detach()[positions][:, None] for t in (cos, sin))
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], -1) * sin


angles = torch.outer(torch.arange(40.0, dtype=torch.float64), 10000 ** (-torch.arange(3, dtype=torch.float64) / 3))
tables = [torch.cos(angles).detach(), torch.sin(angles).detach()]
case("RotaryEmbedding", [normal(2, 2, 3, 6), whole([[0, 17, 39], [5, 5, 2]]), *tables], rotate)

case("Reshape", [normal(2, 6)], lambda x: x.reshape(3, 4), shape=[3, 4])
case("Transpose", [normal(2, 3, 4)], lambda x: x.permute(2, 0, 1), perm=[2, 0, 1])
case("Concat", [normal(2, 1), normal(2, 3), normal(2, 2)], lambda *parts: torch.cat(parts, -1), axis=-1)
case("Slice", [normal(2, 5, 2)], lambda x: x[:, 1:4], axis=1, start=1, end=4)
case("Expand", [normal(3, 1)], lambda x: x.expand(2, 3, 4), shape=[2, 3, 4])
case("Gather", [normal(4, 3), whole([[3, 0], [3, 3]])], lambda x, rows: x[rows], axis=0)
case(
    "ScatterND",
    [normal(4, 3), whole([[2], [0], [2]]), normal(3, 3)],
    lambda x, rows, updates: x.index_add(0, rows[:, 0], updates),
    reduction="add",
)
case("ConstantOfShape", [], lambda: torch.full((2, 2), 1.5, dtype=torch.float64), dtype="float32", shape=[2, 2], value=1.5)
case("Constant", [], lambda: whole([1, 2]), dtype="int64", dims=[2], values=[1, 2])



def from_blocks(packed, scales, bits):
    """The matrix of packed numbers [rows, blocks, bytes], low bits first."""
    numbers = torch.stack([packed >> shift & 2**bits - 1 for shift in range(0, 8, bits)], -1).flatten(2)
    return ((numbers.double() - 2 ** (bits - 1)) * scales.detach().reshape(*numbers.shape[:2], 1)).flatten(1)


for bits in (4, 8):
    packed = torch.tensor(random.integers(0, 256, size=(3, 2, 2 * bits)), dtype=torch.uint8)
    case(
        "MatMulNBits",
        [normal(2, 32), packed, between(0.1, 1, 6)],
        lambda x, packed, scales, bits=bits: x.detach() @ from_blocks(packed, scales, bits).T,
        bits=bits,
        blockSize=16,
        accuracyLevel=1,
    )

case("Gather", [normal(2, 4, 3), whole([3, 0, 3])], lambda x, places: x.index_select(1, places), axis=1)


def quantised(x, scale, zero):
    """PyTorch's own rounding to 8 bits, row by row; in float32, exactly those inputs."""
    per_row = torch.quantize_per_channel(x.detach().float(), scale.detach(), zero.long(), 0, torch.quint8)
    return per_row.int_repr()


case(
    "QuantizeLinear",
    [4 * normal(3, 5), torch.tensor([0.03125, 0.0625, 0.015625], dtype=torch.float64), torch.tensor([128, 0, 200], dtype=torch.uint8)],
    quantised,
    axis=0,
)
for signed in (False, True):
    low, kind = (-128, torch.int8) if signed else (0, torch.uint8)
    matrix = torch.tensor(random.integers(low, low + 256, size=(6, 4)), dtype=kind)
    case(
        "MatMulIntegerToFloat",
        [
            torch.tensor(random.integers(0, 256, size=(3, 6)), dtype=torch.uint8),
            matrix,
            between(0.1, 1),
            between(0.1, 1, 4),
            torch.tensor(128, dtype=torch.uint8),
            torch.tensor(low + 128, dtype=kind),
        ],
        lambda a, b, sa, sb, za, zb: (a.double() - za) * sa.detach() @ ((b.double() - zb) * sb.detach()),
    )



def grouped(queries, keys, values, past_keys, past_values, last, total):
    """Each sequence by itself, with PyTorch's own attention: its rows of the past, then its new ones, causal from the lower right on."""
    del total
    tokens, results = queries.shape[1], []
    for q, k, v, pk, pv, end in zip(queries, keys, values, past_keys, past_values, last):
        past, width = int(end) + 1 - tokens, pk.shape[-1]
        heads = lambda x: x.reshape(tokens, -1, width).transpose(0, 1)
        sight = torch.ones(tokens, past + tokens, dtype=torch.bool).tril(past)
        k, v = torch.cat([pk[:, :past], heads(k)], 1), torch.cat([pv[:, :past], heads(v)], 1)
        mixed = F.scaled_dot_product_attention(heads(q)[None], k[None], v[None], attn_mask=sight, enable_gqa=True)[0]
        results.append(mixed.transpose(0, 1).reshape(tokens, -1))
    return torch.stack(results).detach()


for tokens, rows, last in [(3, 5, [4, 6]), (1, 4, [4, 0]), (2, 3, [1, 1])]:
    case(
        "GroupQueryAttention",
        [
            normal(2, tokens, 16),
            *(normal(2, tokens, 8) for _ in range(2)),
            *(normal(2, 2, rows, 4) for _ in range(2)),
            torch.tensor(last, dtype=torch.int32),
            torch.tensor([max(last) + 1], dtype=torch.int32),
        ],
        grouped,
        numHeads=4,
        kvHeads=2,
    )

for dims in [(7,), (2, 3, 5)]:
    case("ArgMax", [normal(*dims)], lambda x: x.argmax(-1))

json.dump(cases, sys.stdout, separators=(",", ":"))
print()
