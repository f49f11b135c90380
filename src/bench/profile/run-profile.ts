import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ourSide } from "../sides/ours.ts";
import type { DecodeRequest, OpenRequest, PrefillRequest, WorkRequest } from "../sides/protocol.ts";
import { startSide } from "../sides/side.ts";
import { type BenchOptions, withInputs } from "../run-bench.ts";
import { trialsOf } from "../targets/index.ts";
import { type ProfileSummary, readTraces, summarise } from "./summary.ts";

export interface TrialProfile extends ProfileSummary {
  readonly name: string;
  readonly what: string;
}

/** A matrix product of this size keeps every core busy for so long that what is done once for it does not count. */
const PEAK_SIZE = 2048;
const PEAK_TIMES = 8;

/** The same work without the float32 that its result would be compared with: that would be in the trace. */
function unchecked(request: WorkRequest): WorkRequest {
  const plain = ({ fidelity: _, ...work }: PrefillRequest | DecodeRequest): WorkRequest => work;
  return request.work === "prefill" || request.work === "decode" ? plain(request) : request;
}

/**
 * Where the time of our own side goes, trial after trial. Every trial runs once, in a process of its own, traced from its first graph on;
 * what is prepared for it (a cache to decode on) is in the stages too, but not in the wall time.
 * @throws KvDistillError as `runBench`
 */
export async function runProfile(options: BenchOptions): Promise<TrialProfile[]> {
  return withInputs(options, async (inputs, base) => {
    const { timeout, signal, onStderr, precision } = options;
    const start = (open: Partial<OpenRequest>) =>
      startSide(
        ourSide("ours"),
        { ...base, variant: "", precision, ...open },
        {
          timeout,
          ...(signal === undefined ? {} : { signal }),
          onStderr: (line) => onStderr?.("ours", line),
        },
      );
    const machine = await start({});
    const rates: number[] = [];
    for (let i = 0; i < PEAK_TIMES; i++) {
      const { check } = await machine.ask({ work: "gemm", size: PEAK_SIZE, times: 1 });
      rates.push(Number(check.flops));
    }
    await machine.close();
    // The first pays for loading, and others for what else the machine does.
    const peak = Math.max(...rates);
    const profiles: TrialProfile[] = [];
    for (const target of options.targets) {
      for (const { name, what, entries } of trialsOf(target, inputs)) {
        const profile = join(base.scratch, `trace-${profiles.length}`);
        await mkdir(profile);
        const side = await start({ profile });
        let seconds: number;
        try {
          ({ seconds } = await side.ask(unchecked(entries[0].request(0))));
        } finally {
          await side.close();
        }
        options.onTurn?.(name, "ours");
        profiles.push({ name, what, ...summarise(await readTraces(profile), seconds, peak) });
      }
    }
    return profiles;
  });
}
