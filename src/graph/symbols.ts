import { KvDistillError } from "../util/errors.ts";
import { type Bindings, evaluateDim, symbolsOf } from "./dims.ts";
import type { Graph } from "./graph.ts";

/**
 * Values of a graph's symbols from the concrete shapes of its inputs and weights.
 * @throws KvDistillError `shape-mismatch` when a shape does not fit or two inputs disagree.
 */
export function bindSymbols(graph: Graph, dimsOf: (name: string) => readonly number[]): Bindings {
  const bindings = new Map<string, number>();
  const leaves = [...graph.inputs, ...graph.weights];
  for (const leaf of leaves) {
    const dims = dimsOf(leaf.attributes.name);
    leaf.shape.forEach((dim, axis) => {
      const value = dims[axis];
      if (typeof dim === "string" && symbolsOf(dim)[0] === dim && value !== undefined && !bindings.has(dim))
        bindings.set(dim, value);
    });
  }
  for (const leaf of leaves) {
    const dims = dimsOf(leaf.attributes.name);
    const fits =
      dims.length === leaf.shape.length && leaf.shape.every((dim, axis) => evaluateDim(dim, bindings) === dims[axis]);
    if (!fits) {
      throw new KvDistillError("shape-mismatch", "fed shape does not fit", {
        where: `${graph.name}, input "${leaf.attributes.name}"`,
        expected: `[${leaf.shape.join(", ")}]${[...bindings].map(([symbol, value]) => ` ${symbol}=${value}`).join("")}`,
        got: `[${dims.join(", ")}]`,
      });
    }
  }
  return bindings;
}
