import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { predictionsCsv } from "../../../src/evaluate/report/csv.ts";
import { type Condition, conditionsOf } from "../../../src/evaluate/run/conditions.ts";
import { openKeptFile } from "../../../src/evaluate/run/kept-file.ts";
import type { SampleRow } from "../../../src/evaluate/run/sample-row.ts";
import { summarise } from "../../../src/evaluate/run/summary.ts";

/** A folder for all tests of a file. */
export function useFolder(): () => string {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kv-distill-report-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}

export interface RunShape {
  readonly questions?: number;
  readonly methods?: readonly string[];
  readonly keeps?: readonly number[];
  /** What differs from a row in which half of the questions are right. */
  readonly row?: (sample: number, condition: Condition) => Partial<SampleRow>;
  readonly text?: (sample: number) => { readonly question?: string; readonly golds?: readonly string[] };
  readonly passageText?: string;
  /** Fields of the result's identity and of its configuration. */
  readonly identity?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly model?: string;
  /** Leave out what earlier versions did not write. */
  readonly old?: boolean;
}

const TOKENS = 40;
const FACTS = ["length", "depth", "task"];

/** Writes the folder of a finished run, as `eval --out` does, two questions to a passage. */
export async function writeRun(folder: string, shape: RunShape = {}): Promise<SampleRow[]> {
  const { questions = 6, methods = ["full", "none", "h2o", "kv-distill"], keeps = [0.5, 0.25] } = shape;
  const conditions = conditionsOf(methods, keeps);
  const rows = Array.from({ length: questions }, (_, sample) =>
    conditions.map((condition): SampleRow => {
      const right = condition.method === "full" || sample % 2 === 0 ? 1 : 0;
      return {
        sample,
        passage: Math.floor(sample / 2),
        id: `q${sample}`,
        method: condition.method,
        keep: condition.keep ?? null,
        contextTokens: TOKENS,
        rows:
          condition.method === "full"
            ? TOKENS
            : condition.method === "none"
              ? 4
              : Math.max(1, Math.round(TOKENS * (condition.keep ?? 1))),
        answer: `answer ${sample} of ${condition.method}`,
        newTokens: 3,
        finish: "stop",
        em: 0,
        f1: right / 2,
        goldInAnswer: right,
        answerInGold: 0,
        empty: 0,
        forwardKl: condition.method === "full" ? 0 : 0.25 * (1 + sample),
        top1: 0.5,
        answerNll: 2,
        answerTokens: 4,
        seconds: 0.5,
        ...shape.row?.(sample, condition),
      };
    }),
  ).flat();
  const metrics = ["goldInAnswer", "em", "f1", "answerInGold"] as const;
  const summary = summarise(rows, conditions, { metrics, seed: 0 });
  const hasFacts = rows.some(({ facts }) => facts !== undefined && FACTS.some((name) => name in facts));
  const result = {
    format: "kv-distill evaluation",
    version: 1,
    command: "kv-distill eval squad --data <dev>",
    code: { version: "0.1.0", commit: "0123456789abcdef0123456789abcdef01234567", modified: false },
    machine: { cpu: "a cpu", cores: 2, memoryBytes: 2e9, platform: "linux-x64", node: "20", device: "cpu", threads: 1 },
    identityHash: "abc",
    identity: {
      task: hasFacts ? "needle" : "squad",
      version: 1,
      config: { limit: null, methods, keeps, seed: 0, maxNewTokens: 32, ...shape.config },
      promptStyle: "short-answer",
      sinks: 4,
      modelHash: "a".repeat(64),
      tokenizerHash: "b".repeat(64),
      adapterHash: "c".repeat(64),
      dataSha256: "d".repeat(64),
      ...shape.identity,
    },
    model: shape.model ?? "tiny",
    data: { path: "dev.json", malformedRows: 0 },
    finishedAt: "2026-01-01T00:00:00.000Z",
    seconds: { process: 10, rows: 9 },
    ...summary,
    metrics: shape.old === true ? undefined : metrics,
    failures: rows.flatMap(({ sample, id, method, keep, failure }) =>
      failure === undefined ? [] : [{ sample, id, method, keep, failure }],
    ),
  };
  const texts = new Map(
    Array.from({ length: questions }, (_, sample) => [
      sample,
      {
        question: `question ${sample}?`,
        golds: [`gold ${sample}`],
        answerPrefix: "",
        maxNewTokens: 32,
        ...shape.text?.(sample),
      },
    ]),
  );
  await mkdir(folder, { recursive: true });
  const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
  // Passage by passage, condition by condition, and as in a run not in the order of the results: caches of like size are read together.
  const written = rows.toSorted(
    (a, b) => a.passage - b.passage || order(conditions, b) - order(conditions, a) || a.sample - b.sample,
  );
  await write("samples.jsonl", written.map((row) => `${JSON.stringify(row)}\n`).join(""));
  await write(
    "predictions.csv",
    predictionsCsv(
      written.toSorted((a, b) => a.sample - b.sample),
      texts,
      "squad",
      metrics,
    ),
  );
  await write("result.json", JSON.stringify(result));
  if (shape.old !== true) await writeKept(folder, conditions, Math.ceil(questions / 2), shape.passageText);
  return rows;
}

function order(conditions: readonly Condition[], { method, keep }: SampleRow): number {
  return conditions.findIndex((one) => one.method === method && (one.keep ?? null) === keep);
}

/** One token a character; every condition keeps the first tokens, scored by their place. */
async function writeKept(
  folder: string,
  conditions: readonly Condition[],
  passages: number,
  text = "the quick brown fox jumps over lazy dogs",
): Promise<void> {
  const file = await openKeptFile(join(folder, "kept.jsonl"));
  const spans = Array.from({ length: text.length }, (_, i) => ({ start: i, end: i + 1 }));
  for (let passage = 0; passage < passages; passage++) {
    for (const condition of conditions) {
      const count = Math.round(spans.length * (condition.keep ?? 1));
      const half = new Float32Array(count * 5);
      const positions = Int32Array.from({ length: count }, (_, i) => i);
      await file.append(passage, condition, {
        layers: [{ keys: half, values: half }],
        ...(condition.method === "full"
          ? {}
          : { positions: [positions], scores: [Float32Array.from(positions, (position) => position)] }),
        text: () => ({ text, spans }),
      });
    }
  }
  await file.close();
}
