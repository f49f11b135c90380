import { KvDistillError } from "../../util/errors.ts";
import { input } from "../build.ts";
import { isSymbol } from "../dims.ts";
import { defineGraph, type Graph, reachable } from "../graph.ts";
import { isOp, type Node } from "../node.ts";
import type { OpName } from "../operators.ts";
import { substitute } from "../substitute.ts";
import { missingSymbols, symbolicSizes } from "../symbols.ts";
import { gradients } from "./reverse-mode.ts";

/** A function as two graphs: run `forward`, keep its `saved.*` outputs, feed them to `backward`. */
export interface SplitGraphs {
  /** Outputs: those of the function, and `saved.<i>`. */
  readonly forward: Graph;
  /**
   * Inputs: what it needs of the forward inputs (of some only the shape), `saved.<i>`, and `d.<output>` for the seeded outputs that
   * matter. Outputs: `d.<key>` for every key of `wrt`.
   */
  readonly backward: Graph;
  /** Names of the values carried from forward to backward. */
  readonly saved: readonly string[];
}

export interface SplitOptions {
  readonly name: string;
  /** No name may start with "saved.". */
  readonly outputs: Readonly<Record<string, Node>>;
  /** Outputs through which gradients come back; all by default. */
  readonly seeded?: readonly string[];
  /** Nodes to differentiate by; their keys name the gradients, and differ from the seeded outputs' names. */
  readonly wrt: Readonly<Record<string, Node>>;
  /**
   * Operators whose results are carried to the backward graph; everything else is computed again there from what is carried and from
   * the inputs. The default keeps projections (Gemm) and recomputes the cheap or quadratic rest (norms, activations, attention scores).
   */
  readonly save?: readonly OpName[];
  /** In the forward graph other nodes for these, which give the same: such as have no derivative, but are faster. */
  readonly forwardInstead?: ReadonlyMap<Node, Node>;
  /** Inputs whose shapes give symbols their values, kept where no output needs their elements. */
  readonly shapeInputs?: readonly Node<"Input">[];
}

/**
 * Splits a function and its reverse mode into a forward and a backward graph. Only values that the backward graph needs are saved.
 * @throws KvDistillError `bad-argument` for a seed that is no output or a reserved output name, `invalid-graph` when names clash.
 */
export function splitBackward({
  name,
  outputs,
  wrt,
  seeded = Object.keys(outputs),
  save = ["Gemm"],
  forwardInstead = new Map(),
  shapeInputs = [],
}: SplitOptions): SplitGraphs {
  const reserved = Object.keys(outputs).find((key) => key.startsWith("saved."));
  if (reserved !== undefined) {
    throw new KvDistillError("bad-argument", "output names that start with saved. are taken", {
      where: name,
      got: reserved,
    });
  }
  const seeds = seeded.map((key) => {
    const value = outputFor(name, outputs, key);
    return { value, gradient: input(`d.${key}`, "float32", value.shape) };
  });
  const { nodes: forwardNodes, inputs: forwardInputs } = defineGraph(name, outputs, shapeInputs);
  const savable = new Set(forwardNodes.filter((node) => save.includes(node.op) && node.inputs.length > 0));
  const results = gradients(seeds, Object.values(wrt));
  const saved = firstReached(results, savable).map((node, i) => ({ node, name: `saved.${i}` }));
  const replacements = new Map(saved.map(({ node, name }) => [node, input(name, node.dtype, node.shape)]));
  const replaced = substitute(results, replacements);
  const wrtNames = Object.keys(wrt);
  const computed = [...Object.entries(outputs), ...saved.map(({ node, name }) => [name, node] as const)];
  const instead = substitute(
    computed.map(([, node]) => node),
    forwardInstead,
  );
  return {
    forward: defineGraph(
      `${name}.forward`,
      Object.fromEntries(instead.map((node, i) => [computed[i]?.[0] ?? "", node])),
      shapeInputs,
    ),
    backward: defineGraph(
      `${name}.backward`,
      Object.fromEntries(replaced.map((node, i) => [`d.${wrtNames[i] ?? ""}`, node])),
      inputsForSymbols(replaced, forwardInputs),
    ),
    saved: saved.map(({ name }) => name),
  };
}

function outputFor(name: string, outputs: Readonly<Record<string, Node>>, key: string): Node {
  const value = outputs[key];
  if (value === undefined) {
    throw new KvDistillError("bad-argument", "a seeded output does not exist", {
      where: name,
      expected: Object.keys(outputs).join(", "),
      got: key,
    });
  }
  return value;
}

/** Nodes of `wanted` that are reached from `roots` without passing through another one. */
function firstReached(roots: readonly Node[], wanted: ReadonlySet<Node>): Node[] {
  const found = new Set<Node>();
  const seen = new Set<Node>();
  const stack = [...roots];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (wanted.has(node)) found.add(node);
    else stack.push(...node.inputs);
  }
  return [...found].sort((a, b) => a.id - b.id);
}

/** Forward inputs whose shapes give values to symbols that no input of the backward graph has. */
function inputsForSymbols(results: readonly Node[], forwardInputs: readonly Node<"Input">[]): readonly Node<"Input">[] {
  const nodes = reachable(results);
  const ownInputs = nodes.filter((node) => isOp(node, "Input"));
  const missing = new Set(missingSymbols(symbolicSizes(nodes), ownInputs));
  const chosen: Node<"Input">[] = [];
  for (const candidate of forwardInputs) {
    const symbols = candidate.shape.filter(isSymbol);
    if (symbols.some((symbol) => missing.has(symbol))) chosen.push(candidate);
    for (const symbol of symbols) missing.delete(symbol);
  }
  return chosen;
}
