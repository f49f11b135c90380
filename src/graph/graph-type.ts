import type { Dim } from "./dims.ts";
import type { Node } from "./node.ts";

/** A computation: what its named outputs reach. Inputs and weights are found, not declared. */
export interface Graph {
  readonly name: string;
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly inputs: readonly Node<"Input">[];
  readonly weights: readonly Node<"Weight">[];
  readonly outputs: Readonly<Record<string, Node>>;
  /** Symbolic sizes in it, each once: dimensions, and what slices and tables have to spare. None may be negative once symbols are bound. */
  readonly sizes: readonly Dim[];
}
