import type { AddCommand } from "../define-command.ts";
import { ask } from "./ask.ts";
import { bench } from "./bench.ts";
import { compress } from "./compress.ts";
import { demo } from "./demo.ts";
import { evaluate } from "./eval.ts";
import { exportCache } from "./export.ts";
import { generate } from "./generate.ts";
import { inspect } from "./inspect.ts";
import { jobs } from "./jobs.ts";
import { logits } from "./logits.ts";
import { pull } from "./pull.ts";
import { prepare } from "./prepare.ts";
import { serve } from "./serve.ts";
import { report } from "./report.ts";
import { train } from "./train.ts";
import { worker } from "./worker.ts";
import { verify } from "./verify.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly AddCommand[] = [
  pull,
  compress,
  ask,
  generate,
  inspect,
  verify,
  exportCache,
  logits,
  serve,
  prepare,
  train,
  evaluate,
  report,
  worker,
  jobs,
  bench,
  demo,
];
