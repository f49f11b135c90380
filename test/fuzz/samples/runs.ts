import { identityHash, type RunIdentity } from "../../../src/evaluate/run/config.ts";

/** run.json of a training run. */
export const TRAINING_RUN = {
  format: "kv-distill training run",
  version: 1,
  model: { name: "tiny", hash: "a" },
  data: { files: ["x.jsonl"], examples: 3, hash: "b" },
  sessions: [
    {
      startedAt: "2026-01-01T00:00:00Z",
      fromStep: 0,
      program: "p",
      node: "v20",
      platform: "linux-x64",
      threads: 2,
      command: ["train"],
    },
  ],
};

export const IDENTITY: RunIdentity = {
  task: "squad",
  version: 1,
  config: { limit: null, methods: ["full"], keeps: [0.5], seed: 0, maxNewTokens: 9 },
  promptStyle: "short-answer",
  sinks: 4,
  modelHash: "a".repeat(64),
  tokenizerHash: "b".repeat(64),
  adapterHash: "none",
  dataSha256: "c".repeat(64),
};

/** config.json of an evaluation. */
export const EVALUATION = { identityHash: identityHash(IDENTITY), identity: IDENTITY, code: { version: "0.1.0" } };
