import { KvDistillError } from "../../../util/errors.ts";
import { ParquetFault } from "./parquet-fault.ts";
import { giveBackThread, takeThread } from "./parquet-thread.ts";

/**
 * The rows of a parquet file as plain objects, one row group in memory at a time. They are read in a thread of bounded memory: a file of
 * a kilobyte may say that it has billions of values, and what is made of them would end the process
 * (docs/decisions/0189-parquet-in-a-thread.md).
 * @throws ParquetFault; KvDistillError `not-found`, `disk`.
 */
export async function* parquetRows(path: string): AsyncGenerator {
  const thread = takeThread();
  let whole = false;
  try {
    for (;;) {
      const told = await thread.ask(path);
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
