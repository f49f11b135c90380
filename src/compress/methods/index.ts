import { KvDistillError } from "../../util/errors.ts";
import type { LoadedAdapter } from "../loaded-adapter.ts";
import type { CompressionMethod } from "../method.ts";
import { expectedAttention } from "./expected-attention.ts";
import { full } from "./full.ts";
import { h2oQuestion } from "./h2o-question.ts";
import { h2o } from "./h2o.ts";
import { keydiff } from "./keydiff.ts";
import { knorm } from "./knorm.ts";
import { kvDistill } from "./kv-distill.ts";
import { kvzipUniform } from "./kvzip-uniform.ts";
import { kvzip } from "./kvzip.ts";
import { none } from "./none.ts";
import { pyramidkv } from "./pyramidkv.ts";
import { random } from "./random.ts";
import { snapkvQuestion } from "./snapkv-question.ts";
import { snapkv } from "./snapkv.ts";
import { streaming } from "./streaming.ts";
import { tova } from "./tova.ts";
import { truncated } from "./truncated.ts";

const withoutAdapter: readonly CompressionMethod[] = [
  full,
  none,
  random,
  streaming,
  truncated,
  knorm,
  keydiff,
  tova,
  snapkv(),
  pyramidkv(),
  expectedAttention,
  h2o,
  kvzipUniform(),
  kvzip(),
  snapkvQuestion,
  h2oQuestion,
];

const namesOf = (methods: readonly CompressionMethod[]): string[] => methods.map(({ name }) => name);
const blind = withoutAdapter.filter(({ questionAware }) => questionAware !== true);

/** Methods that compress without knowing the question. */
export const METHOD_NAMES: readonly string[] = [...namesOf(blind), "kv-distill"];

/** Methods that choose by the question, for evaluation alone: `CompressionMethod.questionAware`. */
export const QUESTION_AWARE_METHOD_NAMES: readonly string[] = namesOf(
  withoutAdapter.filter(({ questionAware }) => questionAware === true),
);

/** Those whose caches can be saved: they answer any question. */
export const SAVED_METHOD_NAMES: readonly string[] = METHOD_NAMES;

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
    throw new KvDistillError("bad-argument", "no such method", {
      where: name,
      expected: [...METHOD_NAMES, ...QUESTION_AWARE_METHOD_NAMES].join(", "),
    });
  }
  return method;
}
