import { parentPort, workerData } from "node:worker_threads";
import { readRun } from "../../evaluate/report/read-run.ts";
import { reportOf, SHOWN_QUESTIONS } from "../../evaluate/report/report-of.ts";
import { isKvDistillError, messageOf } from "../../util/errors.ts";
import type { ReportReply, ReportRequest } from "./report-messages.ts";

// A thread that makes one report and ends.
const { folder, name } = workerData as ReportRequest;

async function report(): Promise<ReportReply> {
  try {
    const run = await readRun(folder);
    return { page: (await reportOf({ ...run, folder: name }, SHOWN_QUESTIONS)).page };
  } catch (error) {
    return { error: { code: isKvDistillError(error) ? error.code : undefined, message: messageOf(error) } };
  }
}

void report().then((reply) => parentPort?.postMessage(reply));
