import { type ChildProcess, fork } from "node:child_process";
import { appendFileSync } from "node:fs";
import process from "node:process";
import type { Failure } from "../run-cases.ts";
import { TARGETS } from "../targets/index.ts";
import type { Chunk, Told } from "./messages.ts";
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
}

/** A child that says nothing for so long is stuck. */
const STUCK_MILLISECONDS = 180_000;
/** MiB of the child's heap: a parser that wants more ends it, which is noticed. */
const HEAP = 1500;

interface Totals {
  cases: number;
  values: number;
  failures: number;
  readonly refusals: Map<string, number>;
  readonly byTarget: Map<string, number>;
}

/**
 * Runs cases in a child process, which a bug may end or hold up: the case that did is found, written down and passed over.
 * @returns failures
 */
export async function supervise(asked: Asked): Promise<number> {
  const totals: Totals = { cases: 0, values: 0, failures: 0, refusals: new Map(), byTarget: new Map() };
  const begun = performance.now();
  const child = new Child();
  let block = Math.floor(asked.from / BLOCK);
  const stop = new AbortController();
  process.on("SIGINT", () => {
    stop.abort();
  });
  process.on("SIGTERM", () => {
    stop.abort();
  });
  const record = (failure: Failure): void => {
    totals.failures++;
    appendFileSync(asked.out, `${JSON.stringify(failure)}\n`);
    process.stderr.write(`\n${failure.target} --seed ${failure.seed} --case ${failure.case}: ${failure.why}\n`);
  };
  const run = async (chunk: Chunk): Promise<void> => {
    const done = await child.run(chunk);
    if (done === undefined) await stepThrough(child, chunk, totals, record);
    else add(totals, chunk.target, done, record);
  };
  const chosen = asked.targets.length === 0 ? TARGETS : TARGETS.filter(({ name }) => asked.targets.includes(name));
  if (chosen.length === 0) throw new Error(`no such target; there are ${TARGETS.map(({ name }) => name).join(", ")}`);
  const base = { seed: asked.seed, edges: false, stepping: false };

  if (asked.only !== undefined) {
    for (const { name } of chosen) await run({ ...base, target: name, from: asked.only, to: asked.only + 1 });
  } else {
    if (asked.edges) for (const { name } of chosen) await run({ ...base, target: name, from: 0, to: 0, edges: true });
    const end = block + Math.ceil(asked.cases / BLOCK);
    for (; block < end && !stop.signal.aborted; block++) {
      for (const target of chosen) {
        const own = casesOf(target, 1, chosen);
        await run({ ...base, target: target.name, from: block * own, to: (block + 1) * own });
      }
      progress(totals, begun, (block + 1) * BLOCK, asked.seed);
    }
  }
  await child.close();
  const seconds = (performance.now() - begun) / 1000;
  const result = {
    seed: asked.seed,
    from: asked.from,
    next: block * BLOCK,
    cases: totals.cases,
    seconds: Math.round(seconds),
    casesPerSecond: Math.round(totals.cases / seconds),
    values: totals.values,
    refusals: Object.fromEntries(totals.refusals),
    byTarget: Object.fromEntries(totals.byTarget),
    failures: totals.failures,
  };
  process.stderr.write("\n");
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return totals.failures;
}

function progress({ cases, failures }: Totals, begun: number, next: number, seed: number): void {
  const rate = Math.round(cases / ((performance.now() - begun) / 1000));
  const line = `seed ${seed}: ${cases} cases, ${rate} a second, ${failures} failures; --from ${next} goes on`;
  // One line on a terminal; in a log one line for every hundred blocks.
  if (process.stderr.isTTY) process.stderr.write(`\r${line}\u001b[K`);
  else if ((next / BLOCK) % 100 === 0) process.stderr.write(`${line}\n`);
}

function add(totals: Totals, target: string, done: Done, record: (failure: Failure) => void): void {
  totals.cases += done.cases;
  totals.values += done.values;
  totals.byTarget.set(target, (totals.byTarget.get(target) ?? 0) + done.cases);
  for (const [code, count] of done.refusals) totals.refusals.set(code, (totals.refusals.get(code) ?? 0) + count);
  for (const failure of done.failures) record(failure);
}

/** Goes through a chunk that ended the child, case by case, and passes over each case that does. */
async function stepThrough(
  child: Child,
  chunk: Chunk,
  totals: Totals,
  record: (failure: Failure) => void,
): Promise<void> {
  const { target, seed } = chunk;
  if (chunk.edges) {
    record({ target, seed, case: "edge 0", why: `the process ended among the edges: ${child.ending}`, input: "" });
    return;
  }
  for (let from = chunk.from; from < chunk.to;) {
    const done = await child.run({ ...chunk, from, stepping: true });
    if (done !== undefined) {
      add(totals, target, done, record);
      return;
    }
    const number = child.lastCase ?? from;
    totals.cases += number + 1 - from;
    record({ target, seed, case: number, why: `the process ended: ${child.ending}`, input: "" });
    from = number + 1;
  }
}

type Done = Extract<Told, { readonly kind: "done" }>;

/** The process that the cases run in; a new one when it has ended. */
class Child {
  lastCase: number | undefined;
  ending = "";
  private process: ChildProcess | undefined;

  /** @returns undefined when the process ended or was stuck */
  run(chunk: Chunk): Promise<Done | undefined> {
    this.process ??= this.start();
    const own = this.process;
    this.lastCase = undefined;
    return new Promise((resolve) => {
      const stuck = (): void => {
        own.kill("SIGKILL");
      };
      let timer = setTimeout(stuck, STUCK_MILLISECONDS);
      const finish = (done: Done | undefined): void => {
        clearTimeout(timer);
        for (const event of ["message", "exit"]) own.removeAllListeners(event);
        if (done === undefined) this.process = undefined;
        resolve(done);
      };
      own.on("message", (told: Told) => {
        clearTimeout(timer);
        if (told.kind === "done") {
          finish(told);
          return;
        }
        this.lastCase = told.number;
        timer = setTimeout(stuck, STUCK_MILLISECONDS);
      });
      own.on("exit", (code, signal) => {
        this.ending = signal === null ? `exit code ${code ?? "none"}` : `signal ${signal}`;
        finish(undefined);
      });
      own.send(chunk);
    });
  }

  async close(): Promise<void> {
    const own = this.process;
    if (own === undefined) return;
    const ended = new Promise((resolve) => own.once("exit", resolve));
    own.disconnect();
    await ended;
  }

  private start(): ChildProcess {
    const execArgv = ["--import", "tsx", `--max-old-space-size=${HEAP}`];
    return fork(new URL("../main.ts", import.meta.url), ["--child"], {
      execArgv,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
  }
}
