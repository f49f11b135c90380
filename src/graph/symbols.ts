import { KvDistillError } from "../util/errors.ts";
import { positiveAxis } from "./axes.ts";
import { type Bindings, type Dim, evaluateDim, isSymbol, subDims, symbolsOf } from "./dims.ts";
import type { Graph } from "./graph-type.ts";
import { isOp, type Node } from "./node.ts";

/** Symbolic sizes of nodes, each once: dimensions, and what slices and rotary tables have to spare. */
export function symbolicSizes(nodes: readonly Node[]): readonly Dim[] {
  const sizes = nodes.flatMap((node) => [...node.shape, ...sliceBounds(node), ...spareRows(node)]);
  return [...new Set(sizes)].filter((size) => typeof size === "string");
}

/** Symbols that nodes use and none of `inputs` gives a value to, by having it as a whole dimension. */
export function missingSymbols(sizes: readonly Dim[], inputs: readonly Node[]): readonly string[] {
  const given = new Set(inputs.flatMap((node) => node.shape.filter(isSymbol)));
  return [...new Set(sizes.flatMap(symbolsOf))].filter((symbol) => !given.has(symbol));
}

/**
 * Values of a graph's symbols from the concrete shapes of its inputs and weights.
 * @throws KvDistillError `shape-mismatch` when a shape does not fit, two inputs disagree, or a size of the graph becomes negative
 * (ONNX Runtime would read a negative start as counted from the end, and cut an end that is too far).
 */
export function bindSymbols(graph: Graph, dimsOf: (name: string) => readonly number[]): Bindings {
  const bindings = new Map<string, number>();
  const leaves = [...graph.inputs, ...graph.weights].map((leaf) => ({
    name: leaf.attributes.name,
    shape: leaf.shape,
    dims: dimsOf(leaf.attributes.name),
  }));
  for (const { shape, dims } of leaves) {
    shape.forEach((dim, axis) => {
      const value = dims[axis];
      if (isSymbol(dim) && value !== undefined && !bindings.has(dim)) bindings.set(dim, value);
    });
  }
  const values = [...bindings].map(([symbol, value]) => ` ${symbol}=${value}`).join("");
  for (const { name, shape, dims } of leaves) {
    const fits = dims.length === shape.length && shape.every((dim, axis) => valueOf(dim, bindings) === dims[axis]);
    if (!fits) {
      throw new KvDistillError("shape-mismatch", "fed shape does not fit", {
        where: `${graph.name}, input "${name}"`,
        expected: `[${shape.join(", ")}]${values}`,
        got: `[${dims.join(", ")}]`,
      });
    }
  }
  for (const size of graph.sizes) {
    if (evaluateDim(size, bindings) < 0) {
      throw new KvDistillError("shape-mismatch", "fed shapes make a size negative", {
        where: graph.name,
        expected: `${size} of 0 or more`,
        got: values.trim(),
      });
    }
  }
  return bindings;
}

/** A dimension's value; none while an input of another rank leaves one of its symbols without value. */
function valueOf(dim: Dim, bindings: Bindings): number | undefined {
  return symbolsOf(dim).every((symbol) => bindings.has(symbol)) ? evaluateDim(dim, bindings) : undefined;
}

/** The start of a slice, and what its end leaves of the axis. */
function sliceBounds(node: Node): readonly Dim[] {
  if (!isOp(node, "Slice")) return [];
  const { axis, start, end } = node.attributes;
  return node.inputs.flatMap(({ shape }) => [start, subDims(shape[positiveAxis(axis, shape.length)] ?? 0, end)]);
}

/** Rows of rotary tables beyond the number of tokens. */
function spareRows(node: Node): readonly Dim[] {
  const rows = isOp(node, "RotaryEmbedding") ? node.inputs[2]?.shape[0] : undefined;
  return rows === undefined ? [] : [subDims(rows, node.shape[2] ?? 0)];
}
