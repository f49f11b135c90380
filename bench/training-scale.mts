/**
 * How long a step of training takes with 1 to 1,000 workers: node --import tsx bench/training-scale.mts > docs/scale.svg
 *
 * A simulation, with nothing drawn by chance but the workers' speeds, from a seed. Each worker has one job a round. A job costs the queue `JOB`
 * seconds, one after the other, and each round `ROUND` seconds (docs/scale.md). Files go through the store over one link of the sender and
 * one link of each worker. Prints the chart, or with --table the numbers behind it.
 */
import { lineChart } from "../src/util/svg/line-chart.ts";
import { formatNumber } from "../src/util/format.ts";
import { randomFromSeed } from "../src/util/random.ts";

/** As measured (docs/scale.md): seconds that a job costs the queue (Redis, worker and sender together), and a round beside its jobs. */
const JOB = Number(process.env.JOB ?? 0.01);
const ROUND = Number(process.env.ROUND ?? 0.3);
/** Bytes a second: of the sender's link, of a worker's. */
const SENDER = 125e6;
const WORKER = 125e6;
/** Seconds of a passage: forward and backward on one machine. */
const PASSAGE = 1;
/** Parameters of an adapter of rank 32 for Llama-3-8B. */
const PARAMETERS = 45_093_120;
const WORKERS = [1, 2, 4, 8, 16, 32, 64, 125, 250, 500, 1000];
const SPREAD = 0.1;

interface Way {
  readonly name: string;
  /** Optimiser steps of a job. */
  readonly steps: number;
  /** Bytes a parameter: what the sender gives a job, what it takes from it, what a worker reads and writes in all. */
  readonly down: number;
  readonly up: number;
  readonly worker: number;
  /** What the sender takes from it at a checkpoint beside that: moments, and what rounding keeps back. */
  readonly kept: number;
  /** Rounds from one checkpoint to the next. */
  readonly rounds: number;
}

/** Of each worker in a step: the batch grows with the workers, or a worker would have nothing to do. */
const PASSAGES = 8;
const FLOAT32 = { down: 4, up: 4, worker: 4 + 8 + 4 + 8, kept: 8 };
const INT8 = { down: 4, up: 1, worker: 4 + 12 + 1 + 12, kept: 12 };
const WAYS: readonly Way[] = [
  // The sender holds everything itself.
  { name: "gradients", steps: 1, down: 4, up: 4, worker: 8, kept: 0, rounds: 1 },
  // A checkpoint every 50 steps, as `train` makes them where nothing is said: one a round.
  { name: "diloco, 50 steps, float32", steps: 50, ...FLOAT32, rounds: 1 },
  { name: "diloco, 50 steps, int8", steps: 50, ...INT8, rounds: 1 },
  { name: "diloco, 50 steps, int8, a checkpoint in 10 rounds", steps: 50, ...INT8, rounds: 10 },
  { name: "diloco, 500 steps, int8", steps: 500, ...INT8, rounds: 1 },
  { name: "diloco, 500 steps, int8, a checkpoint in 10 rounds", steps: 500, ...INT8, rounds: 10 },
];

/** Seconds of a round with one job for each worker, checkpoints shared out among rounds. */
function roundSeconds({ steps, up, down, worker, kept, rounds }: Way, workers: number): number {
  const random = randomFromSeed(7, workers);
  const shared = (PARAMETERS * down) / SENDER;
  let last = 0;
  for (let job = 0; job < workers; job++) {
    const given = shared + job * JOB;
    const slow = 1 + SPREAD * Math.abs(random.normal());
    last = Math.max(last, given + steps * PASSAGES * PASSAGE * slow + (PARAMETERS * worker) / WORKER);
  }
  // The sender reads the results one after the other.
  return ROUND + last + workers * ((PARAMETERS * (up + kept / rounds)) / SENDER);
}

const curves = WAYS.map((way) => ({
  name: way.name,
  points: WORKERS.map((workers) => ({
    x: workers,
    y: (workers * way.steps * PASSAGES * PASSAGE) / roundSeconds(way, workers),
  })),
}));
const ideal = { name: "without any cost", reference: true, points: WORKERS.map((x) => ({ x, y: x })) };

if (process.argv.includes("--table")) {
  const rows = WORKERS.map((workers, i) =>
    [workers, ...curves.map(({ points }) => formatNumber(points[i]?.y ?? 0))].join(" | "),
  );
  process.stdout.write(`workers | ${WAYS.map(({ name }) => name).join(" | ")}\n${rows.join("\n")}\n`);
} else {
  process.stdout.write(
    lineChart({
      title: "Passages a second by the number of workers",
      subtitle: "simulated; one worker alone computes one passage a second; Llama-3-8B, rank 32, 1 Gbit/s",
      x: { label: "workers", scale: "log" },
      y: { label: "speed-up", scale: "log" },
      series: [...curves, ideal],
    }),
  );
}
