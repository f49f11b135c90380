import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFiles } from "../../models/model-files.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { diskError, isSystemError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { failureOf } from "../jobs/payload.ts";
import { newRunName, runFolder } from "../run/run-name.ts";
import { openFolderStore } from "../store/folder-store.ts";
import { isMachineFault } from "../worker/faults.ts";
import { HeldBench } from "./bench.ts";
import { type Crew, type JobOutcome, roundOf } from "./crew.ts";

/**
 * This process as the only worker, one job after the other: what a queue's workers come to, without a queue.
 * @param folder for what goes from round to round; what is in it is deleted
 */
export async function openLocalCrew(runtime: Runtime, files: ModelFiles, folder: string): Promise<Crew> {
  const scratch = join(folder, "scratch");
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true });
  } catch (error) {
    throw isSystemError(error) ? diskError(error, folder, "cannot make the folder of rounds") : error;
  }
  const store = await openFolderStore(join(folder, "store"));
  const bench = new HeldBench(runtime, files, store, scratch);
  const rounds = new Set<string>();
  return {
    store,
    scratch,
    round: async ({ kind, jobs, signal = new AbortController().signal }) => {
      const own = runFolder(newRunName(kind.name));
      rounds.add(own);
      const outcomes: JobOutcome<never>[] = [];
      const stopped = (): boolean => signal.aborted;
      for (const work of await jobs(own)) {
        if (stopped()) throw new KvDistillError("cancelled", "the round was given up");
        try {
          const result = await kind.run(work, { store, folder: own, scratch, signal, training: () => bench });
          outcomes.push({ result } as JobOutcome<never>);
        } catch (error) {
          if (stopped() || isMachineFault(error)) throw error;
          outcomes.push({ failure: failureOf(error) });
        }
      }
      return outcomes;
    },
    settle: async (live) => {
      const kept = new Set(live.map(roundOf));
      for (const round of rounds) {
        if (kept.has(round)) continue;
        await store.removeAll(round);
        rounds.delete(round);
      }
    },
    end: async () => {
      bench.clear();
      store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
