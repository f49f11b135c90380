import type { LoadedAdapter } from "../loaded-adapter.ts";
import type { CompressionMethod } from "../method.ts";
import { full } from "./full.ts";
import { h2o } from "./h2o.ts";
import { kvDistill } from "./kv-distill.ts";
import { none } from "./none.ts";
import { random } from "./random.ts";
import { streaming } from "./streaming.ts";
import { KvDistillError } from "../../util/errors.ts";

const withoutAdapter: readonly CompressionMethod[] = [full, none, random, streaming, h2o];

export const METHOD_NAMES: readonly string[] = [...withoutAdapter.map(({ name }) => name), "kv-distill"];

/**
 * A method by name.
 * @throws KvDistillError `bad-argument` for an unknown name, or kv-distill without an adapter.
 */
export function methodNamed(name: string, adapter: LoadedAdapter | undefined): CompressionMethod {
  if (name === "kv-distill") {
    if (adapter !== undefined) return kvDistill(adapter);
    throw new KvDistillError("bad-argument", "kv-distill needs an adapter", {
      where: "--methods",
      hint: "name one with --adapter",
    });
  }
  const method = withoutAdapter.find((candidate) => candidate.name === name);
  if (method === undefined) {
    throw new KvDistillError("bad-argument", "no such method", { where: name, expected: METHOD_NAMES.join(", ") });
  }
  return method;
}
