import { KvDistillError } from "../../util/errors.ts";
import { type Bindings, evaluateShape } from "../dims.ts";
import type { Graph } from "../graph-type.ts";
import { isOp, type Node } from "../node.ts";
import type { OpAttributes, OpName } from "../operators.ts";
import { bindSymbols } from "../symbols.ts";
import { type Array64, generate } from "./array.ts";
import { evaluateAttention } from "./attention.ts";
import { evaluateElementwise } from "./elementwise.ts";
import { evaluateLinear } from "./linear.ts";
import { evaluateMovement } from "./movement.ts";
import { evaluateNormalisation } from "./normalisation.ts";
import type { EvaluationRule, EvaluationRules } from "./rule.ts";

const rules: EvaluationRules<Exclude<OpName, "Input" | "Weight">> = {
  Constant: ({ attributes }) => ({ dims: attributes.dims, data: Float64Array.from(attributes.values) }),
  ConstantOfShape: ({ attributes, dims }) => generate(dims, () => attributes.value),
  ...evaluateElementwise,
  ...evaluateLinear,
  ...evaluateAttention,
  ...evaluateNormalisation,
  ...evaluateMovement,
};

/**
 * Evaluates a graph in float64, slowly and obviously: the oracle for every engine and every gradient.
 * @param feeds every input and weight by name
 * @throws KvDistillError `bad-argument` for a missing feed, `shape-mismatch` for one of another shape.
 */
export function interpret(graph: Graph, feeds: Readonly<Record<string, Array64>>): Record<string, Array64> {
  const bindings = bindSymbols(graph, (name) => feed(feeds, name).dims);
  const values = new Map<Node, Array64>();
  for (const node of graph.nodes) values.set(node, evaluate(node, values, feeds, bindings));
  return Object.fromEntries(Object.entries(graph.outputs).map(([name, node]) => [name, valueOf(values, node)]));
}

function evaluate(
  node: Node,
  values: ReadonlyMap<Node, Array64>,
  feeds: Readonly<Record<string, Array64>>,
  bindings: Bindings,
): Array64 {
  if (isOp(node, "Input") || isOp(node, "Weight")) return feed(feeds, node.attributes.name);
  const rule = rules[node.op as keyof typeof rules] as EvaluationRule<keyof OpAttributes>;
  const inputs = node.inputs.map((input) => valueOf(values, input));
  return rule({ inputs, attributes: node.attributes, dims: evaluateShape(node.shape, bindings), bindings });
}

function valueOf(values: ReadonlyMap<Node, Array64>, node: Node): Array64 {
  const value = values.get(node);
  if (value === undefined)
    throw new KvDistillError("invalid-graph", "value used before it is computed", { where: `%${node.id} ${node.op}` });
  return value;
}

function feed(feeds: Readonly<Record<string, Array64>>, name: string): Array64 {
  const value = feeds[name];
  if (value === undefined) throw new KvDistillError("bad-argument", "input is not fed", { where: name });
  return value;
}
