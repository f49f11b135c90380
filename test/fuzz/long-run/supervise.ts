import { appendFileSync } from "node:fs";
import process from "node:process";
import type { Failure } from "../run-cases.ts";
import type { Target } from "../target.ts";
import { TARGETS } from "../targets/index.ts";
import { CaseProcess } from "./child-process.ts";
import type { Chunk } from "./messages.ts";
import { addDone, newRecord, recordAt, type RunRecord, targetRecord, writeRecord } from "./record.ts";
import { Rate } from "./rate.ts";
import { BLOCK, casesOf } from "./shares.ts";

export interface Asked {
  readonly seed: number;
  readonly cases: number;
  /** Number of the first case: where an earlier run said that it stopped. */
  readonly from: number;
  /** Names; all when empty. */
  readonly targets: readonly string[];
  /** Instead of a run one case of the one target. */
  readonly only: number | undefined;
  readonly edges: boolean;
  readonly out: string;
  /** Where the run's record is kept, if anywhere: a run that was stopped goes on from it. */
  readonly record: string | undefined;
}

/** Blocks that a target runs at once. */
const STRETCH = 10;
/** Of so many stretches one goes through libuv's pool (direct-files.ts). */
const POOLED_APART = 32;

/**
 * Runs cases in a child process, which a bug may end or hold up: the case that did is found, written down and passed over.
 * @returns failures
 */
export async function supervise(asked: Asked): Promise<number> {
  const chosen = asked.targets.length === 0 ? TARGETS : TARGETS.filter(({ name }) => asked.targets.includes(name));
  if (chosen.length === 0) throw new Error(`no such target; there are ${TARGETS.map(({ name }) => name).join(", ")}`);
  const names = chosen.map(({ name }) => name);
  const run = new Run(asked.out, recordAt(asked.record, newRecord(asked.seed, asked.from, names)));
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      stop.abort();
    });
  }
  if (asked.only !== undefined) await run.one(chosen, asked.only);
  else {
    if (asked.edges) await run.edges(chosen);
    await run.blocks(chosen, asked, stop.signal);
  }
  await run.close();
  process.stderr.write("\n");
  process.stdout.write(`${JSON.stringify(run.record)}\n`);
  return run.record.failures;
}

class Run {
  readonly record: RunRecord;
  private readonly child = new CaseProcess();
  private readonly out: string;

  constructor(out: string, record: RunRecord) {
    this.out = out;
    this.record = record;
  }

  /** One case of each target, with direct files and with pooled ones. */
  async one(targets: readonly Target[], number: number): Promise<void> {
    for (const { name } of targets)
      for (const pooled of [false, true]) await this.chunk(name, { from: number, to: number + 1, pooled });
  }

  async edges(targets: readonly Target[]): Promise<void> {
    for (const { name } of targets) await this.chunk(name, { edges: true });
  }

  async blocks(targets: readonly Target[], asked: Asked, stop: AbortSignal): Promise<void> {
    const { record } = this;
    const end = Math.floor(asked.from / BLOCK) + Math.ceil(asked.cases / BLOCK);
    let block = Math.floor(record.next / BLOCK);
    const rate = new Rate((end - block) * BLOCK);
    while (block < end && !stop.aborted) {
      const stretch = Math.floor(block / STRETCH);
      const next = Math.min(end, (stretch + 1) * STRETCH);
      const pooled = stretch % POOLED_APART === POOLED_APART - 1;
      const begun = performance.now();
      for (const target of targets) {
        const own = casesOf(target, 1, targets);
        await this.chunk(target.name, { from: block * own, to: next * own, pooled });
      }
      record.seconds += (performance.now() - begun) / 1000;
      rate.add((next - block) * BLOCK);
      block = next;
      record.next = block * BLOCK;
      writeRecord(asked.record, record);
      rate.tell(
        `seed ${record.seed}: ${record.cases} cases, ${record.failures} failures; --from ${record.next} goes on`,
      );
    }
  }

  close(): Promise<void> {
    return this.child.close();
  }

  private async chunk(target: string, given: Partial<Chunk>): Promise<void> {
    const { seed } = this.record;
    const slowest = targetRecord(this.record, target).slowest ?? undefined;
    const plain = { from: 0, to: 0, edges: false, stepping: false, pooled: false };
    const chunk: Chunk = { target, seed, slowest, ...plain, ...given };
    const done = await this.child.run(chunk);
    if (done === undefined) await this.stepThrough(chunk);
    else this.add(chunk, done);
  }

  /** Goes through a chunk that ended the child, case by case, and passes over each case that does. */
  private async stepThrough(chunk: Chunk): Promise<void> {
    const { target, seed } = chunk;
    const { child } = this;
    if (chunk.edges) {
      this.fail({ target, seed, case: "edge 0", why: `the process ended among the edges: ${child.ending}`, input: "" });
      return;
    }
    for (let from = chunk.from; from < chunk.to;) {
      const done = await child.run({ ...chunk, from, stepping: true });
      if (done !== undefined) {
        this.add(chunk, done);
        return;
      }
      const number = child.lastCase ?? from;
      const passed = number + 1 - from;
      targetRecord(this.record, target).cases += passed;
      this.record.cases += passed;
      this.fail({ target, seed, case: number, why: `the process ended: ${child.ending}`, input: "" });
      from = number + 1;
    }
  }

  private add(chunk: Chunk, done: Parameters<typeof addDone>[2]): void {
    addDone(this.record, chunk.target, done, chunk.pooled);
    for (const failure of done.failures) this.fail(failure);
  }

  private fail(failure: Failure): void {
    this.record.failures++;
    targetRecord(this.record, failure.target).failures++;
    appendFileSync(this.out, `${JSON.stringify(failure)}\n`);
    process.stderr.write(`\n${failure.target} --seed ${failure.seed} --case ${failure.case}: ${failure.why}\n`);
  }
}
