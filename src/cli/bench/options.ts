import { PEER_NAMES, type PeerName } from "../../bench/sides/peers.ts";
import { PRECISIONS } from "../../models/precision/precision.ts";
import { FULL_SIZES, QUICK_SIZES, type Sizes } from "../../bench/sizes.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { adapterOption, jsonOption, modelOptions } from "../shared-options.ts";
import { flag, option, optionOr, type OptionValues, type Parser, text } from "../spec.ts";
import { choice, choices } from "../values/choice.ts";
import { wholeNumber } from "../values/whole-number.ts";

/** Lengths in tokens: `512,2048`. */
const lengths: Parser<readonly number[]> = (given) => {
  const one = wholeNumber({ min: 2 });
  const found = given.split(",").map((part) => one(part.trim()));
  if (new Set(found).size === found.length) return found;
  throw new KvDistillError("bad-argument", "a length stands there twice", {
    expected: "different numbers of tokens",
    got: quote(given),
  });
};

/** Names of peers, or `none`. */
const peerList: Parser<readonly PeerName[]> = (given) => (given === "none" ? [] : choices(PEER_NAMES)(given));

const shown = (name: keyof Sizes): string => `default: ${String(FULL_SIZES[name]).replaceAll(",", ", ")}`;

export const benchOptions = {
  peers: option(
    "--peers [names]",
    `peers to run: ${PEER_NAMES.join(",")}, or none (default: all that are installed)`,
    peerList,
  ),
  repetitions: option("--repetitions <n>", "measured rounds (default: 7, quick: 2)", wholeNumber()),
  warmups: optionOr("--warmups <n>", "rounds before them that do not count", wholeNumber({ min: 0 }), 1),
  quick: flag("--quick", "little work of everything, to see that it runs; the figures say nothing"),
  profile: flag(
    "--profile",
    "where the time of our side goes: by stage, by class of operators, beside the machine's peak",
  ),
  check: flag("--check", "compare ratios with the baseline; exit code 1 when one got worse"),
  baseline: option("--baseline <file>", "ratios that --check compares with (default: bench/baseline.json)", text),
  out: option("--out <folder>", "write result.json, table.txt and plots", text),
  precision: optionOr(
    "--precision <name>",
    `what our side computes in: ${PRECISIONS.join(", ")}; int4 decodes alone, and reads in float32`,
    choice(PRECISIONS),
    "fp32",
  ),
  ...modelOptions,
  adapter: {
    ...adapterOption,
    description: `${adapterOption.description}; default: the package's own for this model, or an untrained one`,
  },
  reference: option(
    "--reference <folder>",
    "reference implementation for torch-fp32 and torch-bf16 (default: KV_DISTILL_REFERENCE)",
    text,
  ),
  data: option("--data <file>", "token triples to train on (default: cut out of the example text)", text),
  examples: option("--examples <n>", `train: examples of a step (${shown("examples")})`, wholeNumber()),
  rank: option("--rank <n>", `train: LoRA rank (${shown("rank")})`, wholeNumber()),
  microBatch: option(
    "--micro-batch <n>",
    `train: examples that we compute at once (${shown("microBatch")})`,
    wholeNumber(),
  ),
  lengths: option("--lengths <list>", `prefill: tokens (${shown("prefill")})`, lengths),
  compress: option("--compress <n>", `compress: tokens (${shown("compress")})`, wholeNumber({ min: 16 })),
  answersLengths: option("--answers-lengths <list>", `answers: tokens of the context (${shown("answers")})`, lengths),
  context: option("--context <n>", `decode: tokens of the cache (${shown("context")})`, wholeNumber()),
  steps: option("--steps <n>", `decode, answers: tokens that are chosen (${shown("steps")})`, wholeNumber()),
  long: option(
    "--long <n>",
    `decode-compressed, first-token: tokens of the text (${shown("long")})`,
    wholeNumber({ min: 100 }),
  ),
  foldLengths: option("--fold-lengths <list>", `fold: tokens (${shown("fold")})`, lengths),
  timeout: optionOr("--timeout <seconds>", "give a side up that says nothing for so long", wholeNumber(), 3600),
  json: jsonOption,
} as const;

export type GivenBenchOptions = OptionValues<typeof benchOptions>;

/** How much is measured: `--quick` or everything, changed by what is given. */
export function sizesOf(given: GivenBenchOptions): Sizes {
  const base = given.quick ? QUICK_SIZES : FULL_SIZES;
  const examples = given.examples ?? base.examples;
  return {
    ...base,
    examples,
    rank: given.rank ?? base.rank,
    microBatch: Math.min(given.microBatch ?? base.microBatch, examples),
    prefill: given.lengths ?? base.prefill,
    compress: given.compress ?? base.compress,
    answers: given.answersLengths ?? base.answers,
    context: given.context ?? base.context,
    steps: given.steps ?? base.steps,
    long: given.long ?? base.long,
    fold: given.foldLengths ?? base.fold,
  };
}

/** Repetitions when none are asked for. */
export const repetitionsOf = ({ repetitions, quick }: GivenBenchOptions): number => repetitions ?? (quick ? 2 : 7);
