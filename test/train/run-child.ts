/** Trains the tiny model: `run-child.ts MODEL DATA OUT`. Goes on where an earlier process stopped. */
import { openModel } from "../../src/models/open.ts";
import { runTraining } from "../../src/train/run.ts";
import { runOptions } from "./tiny-run.ts";

const [model = "", data = "", out = ""] = process.argv.slice(2);
const changes = { resume: true, onStep: ({ step }: { step: number }) => void process.stdout.write(`${step}\n`) };
await runTraining(runOptions(await openModel(model), data, out, changes));
