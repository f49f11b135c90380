import { join } from "node:path";
import type { ModelFiles } from "../../models/model-files.ts";
import { createRuntime } from "../../runtime/runtime.ts";
import type { TrainingLoop } from "../../train/training-loop.ts";
import { dilocoLoop } from "./diloco.ts";
import { openLocalCrew } from "./local-crew.ts";

/** Folder of a run that holds what goes from round to round; it is there while the run is under way. */
const ROUNDS_FOLDER = "rounds";

/** `diloco` on this machine alone, one part after the other: the reference for what a queue gives. */
export function dilocoHere(files: ModelFiles, out: string, threads?: number): TrainingLoop {
  return async (task) => {
    const runtime = await createRuntime(threads === undefined ? {} : { threads });
    try {
      const crew = await openLocalCrew(runtime, files, join(out, ROUNDS_FOLDER));
      try {
        await dilocoLoop(crew)(task);
      } finally {
        await crew.end();
      }
    } finally {
      await runtime.close();
    }
  };
}
