import { KvDistillError } from "../../../util/errors.ts";
import { ParquetFault } from "./parquet-fault.ts";
import { giveBackThread, takeThread } from "./parquet-thread.ts";

/** Seconds that a thread may take for what a file says of itself, and for one group of at most a gibibyte. */
export interface ParquetPatience {
  readonly footer: number;
  readonly group: number;
}
const PATIENCE: ParquetPatience = { footer: 60, group: 600 };

/**
 * The rows of a parquet file as plain objects, one row group in memory at a time. They are read in a thread of bounded memory and time: a
 * file of a kilobyte may say that it has billions of values, and what is made of them would end the process, or never end
 * (docs/decisions/0189-parquet-in-a-thread.md).
 * @throws ParquetFault; KvDistillError `not-found`, `disk`.
 */
export async function* parquetRows(path: string, patience = PATIENCE): AsyncGenerator {
  const thread = takeThread();
  let whole = false;
  let seconds = patience.footer;
  try {
    for (;;) {
      const told = await thread.ask(path, seconds);
      seconds = patience.group;
      if (told.kind === "rows") {
        yield* told.rows;
        continue;
      }
      whole = true;
      if (told.kind === "end") return;
      if (told.kind === "fault") throw new ParquetFault(told.message);
      throw new KvDistillError(told.code, told.message);
    }
  } finally {
    if (whole) giveBackThread(thread);
    else await thread.end();
  }
}
