import { SHORT_ANSWER } from "../../../src/evaluate/tasks/squad.ts";

/** What machines send each other (docs/distributing.md), one valid value of each sort. */
export const RUN = "eval-0123456789ab";
export const SHA = "a".repeat(64);
const FILE = { key: `runs/${RUN}/${SHA}.json`, sha256: SHA, bytes: 12 };
const ADAPTER = { hash: SHA, files: [{ name: "kv-distill.json", file: FILE }] };

const IDENTITY = {
  package: { version: "0.1.0", sha256: SHA },
  model: { name: "tiny", sha256: SHA, tokenizer: SHA, precision: "fp32" },
  threads: 1,
};

/** Work by its kind. */
export const WORKS: Readonly<Record<string, unknown>> = {
  answers: { style: SHORT_ANSWER.name, maxTokens: 9, passages: FILE },
  compress: {
    settings: { keep: { tokens: 9 }, method: "streaming", fold: 64, marked: false, seed: 0 },
    adapter: ADAPTER,
    documents: FILE,
  },
  eval: {
    settings: {
      methods: ["full", "h2o"],
      keeps: [0.5],
      metrics: ["f1"],
      sinks: 4,
      seed: 0,
      taskMaxNewTokens: null,
      maxNewTokens: 9,
      goldTokens: 8,
      fold: null,
    },
    adapter: null,
    passages: FILE,
  },
  gradients: { config: { steps: 9, keep: "0.1" }, parameters: FILE, turnCount: 2, items: FILE },
  diloco: { config: { steps: 9 }, parameters: FILE, state: FILE, momentSteps: 3, step: 3, batches: FILE },
};

const STEP = {
  epoch: 0,
  loss: 1,
  forwardKl: 1,
  reverseKl: 1,
  scorerDistance: 0,
  keep: 0.1,
  gradientNorm: 1,
  learningRate: 1e-4,
  tokens: 9,
};

/** Results by the kind of their work. */
export const RESULTS: Readonly<Record<string, unknown>> = {
  answers: { answers: FILE },
  compress: { documents: FILE },
  eval: { measured: FILE },
  gradients: { loss: 1, forwardKl: 1, reverseKl: 1, scorerDistance: 0, tokens: 9, gradients: FILE },
  diloco: { delta: FILE, state: FILE, steps: [STEP, STEP] },
};

const common = { version: 1, run: RUN, identity: IDENTITY, units: 3 };

export function jobOf(kind: string, index: number): object {
  return { ...common, id: `${RUN}-${index}`, kind, index, work: WORKS[kind] };
}

export const RUN_PAYLOAD = {
  ...common,
  id: RUN,
  kind: "diloco",
  jobs: 2,
  unit: "steps",
  title: "round 1",
  round: { training: "train-0123456789ab", done: 0, steps: 2, total: 9 },
};

export const RUN_RESULT = { id: RUN, outcomes: FILE, failed: 1 };

const PASSAGE = {
  id: "p",
  source: "s",
  contextIds: [1, 2, 3],
  turns: [{ kind: "question", questionIds: [4], answerIds: [5, 6] }],
};
const ITEMS = [{ keep: 0.1, passage: PASSAGE }];

/** JSON of the store that a job reads or leaves. */
export const STORED = {
  passages: [{ id: "p", context: "the cat sat", questions: [{ id: "q", question: "who?" }] }],
  answers: [{ id: "p", answers: [{ id: "q", text: "the cat", finish: "stop" }] }],
  documents: [{ name: "a/b.txt", sha256: SHA, text: "the cat sat" }],
  compressed: [
    { name: "a.txt", sha256: SHA, file: FILE, facts: { sha256: SHA, bytes: 9, tokens: 9, rows: 3, kept: 0.5 } },
    { name: "b.txt", sha256: SHA, failure: { code: "too-large", message: "too long" } },
  ],
  tasks: [
    {
      index: 0,
      firstSample: 0,
      id: "p",
      source: "s",
      context: "the cat sat",
      maxNewTokens: 9,
      style: { name: "short-answer", chat: true, before: "Q: ", after: "" },
      questions: [
        { id: "q", question: "who?", answers: ["the cat"], answerPrefix: "A", letters: ["a"], facts: { depth: 0.5 } },
      ],
    },
  ],
  items: ITEMS,
  batches: [{ epoch: 0, items: ITEMS }],
  outcomes: [{ result: RESULTS.eval }, { failure: { code: "engine", message: "it broke" } }],
} as const;
