import { apply, type Node } from "./node.ts";

/** Rebuilds `roots` with every key of `replacements` replaced by its value; what does not depend on a key is shared, not copied. */
export function substitute(roots: readonly Node[], replacements: ReadonlyMap<Node, Node>): Node[] {
  const rebuilt = new Map<Node, Node>(replacements);
  const visit = (root: Node): Node => {
    const stack = [root];
    for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
      const waiting = rebuilt.has(node) ? [] : node.inputs.filter((input) => !rebuilt.has(input));
      if (waiting.length > 0) {
        stack.push(...waiting);
        continue;
      }
      stack.pop();
      if (rebuilt.has(node)) continue;
      const inputs = node.inputs.map((input) => rebuilt.get(input) ?? input);
      const same = inputs.every((input, i) => input === node.inputs[i]);
      rebuilt.set(node, same ? node : apply(node.op, inputs, node.attributes));
    }
    return rebuilt.get(root) ?? root;
  };
  return roots.map(visit);
}
