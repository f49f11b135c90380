import { parentPort } from "node:worker_threads";
import { isKvDistillError } from "../../../util/errors.ts";
import { ParquetFault } from "./parquet-fault.ts";
import { parquetGroups } from "./parquet-groups.ts";
import type { ParquetRequest, ParquetTold } from "./parquet-messages.ts";

// A thread that reads parquet files, one group of rows for every request.
let groups: ReturnType<typeof parquetGroups> | undefined;

async function answer({ path }: ParquetRequest): Promise<ParquetTold> {
  try {
    groups ??= parquetGroups(path);
    const next = await groups.next();
    if (next.done !== true) return { kind: "rows", rows: next.value.rows };
    groups = undefined;
    return { kind: "end" };
  } catch (error) {
    groups = undefined;
    if (error instanceof ParquetFault) return { kind: "fault", message: error.message };
    if (!isKvDistillError(error)) throw error;
    return { kind: "error", code: error.code, message: error.message };
  }
}

parentPort?.on("message", (request: ParquetRequest) => {
  void answer(request).then((told) => parentPort?.postMessage(told));
});
