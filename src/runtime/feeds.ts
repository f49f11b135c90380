import { elementCount } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { TensorType, ValueType } from "./messages.ts";
import { typeText } from "./type-text.ts";

/**
 * Checks feeds against a program's inputs, all faults at once; a named dimension must have one size everywhere.
 * @throws KvDistillError `bad-argument` for missing or unknown names, `shape-mismatch` for types and shapes.
 */
export function checkFeeds(
  where: string,
  inputs: readonly ValueType[],
  feeds: Readonly<Record<string, TensorType & { readonly data?: { readonly length: number } }>>,
): void {
  const names = new Set(inputs.map((input) => input.name));
  const nameFaults = [
    ...inputs.filter(({ name }) => feeds[name] === undefined).map(({ name }) => `${name}: missing`),
    ...Object.keys(feeds)
      .filter((name) => !names.has(name))
      .map((name) => `${name}: no such input; there are ${[...names].join(", ")}`),
  ];
  if (nameFaults.length > 0) {
    throw new KvDistillError("bad-argument", "the feeds do not name the inputs", { where, faults: nameFaults });
  }
  const sizes = new Map<string, number>();
  const faults = inputs.flatMap((input) => {
    const feed = feeds[input.name];
    if (feed === undefined) return [];
    return faultsOf(input, feed, sizes).map((fault) => `${input.name}: ${fault}`);
  });
  if (faults.length > 0) {
    throw new KvDistillError("shape-mismatch", "the feeds do not fit the inputs", { where, faults });
  }
}

function faultsOf(
  input: ValueType,
  feed: TensorType & { readonly data?: { readonly length: number } },
  sizes: Map<string, number>,
): string[] {
  const count = elementCount(feed.dims);
  if (feed.data !== undefined && feed.data.length !== count) {
    return [`${typeText(feed)} needs ${count} elements; got ${feed.data.length}`];
  }
  const fits =
    feed.dtype === input.dtype &&
    feed.dims.length === input.dims.length &&
    input.dims.every((dim, i) => typeof dim === "string" || dim === feed.dims[i]);
  if (!fits) return [`expected ${typeText(input)}; got ${typeText(feed)}`];
  return input.dims.flatMap((dim, i) => {
    const size = feed.dims[i];
    if (typeof dim === "number" || dim === "" || size === undefined) return [];
    const known = sizes.get(dim) ?? size;
    sizes.set(dim, known);
    return known === size ? [] : [`${dim} is ${known} in an earlier input; got ${size} in ${typeText(feed)}`];
  });
}
