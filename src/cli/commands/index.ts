import type { AddCommand } from "../define-command.ts";
import { evaluate } from "./eval.ts";
import { generate } from "./generate.ts";
import { inspect } from "./inspect.ts";
import { logits } from "./logits.ts";
import { pull } from "./pull.ts";
import { prepare } from "./prepare.ts";
import { train } from "./train.ts";
import { verify } from "./verify.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly AddCommand[] = [pull, generate, inspect, verify, logits, prepare, train, evaluate];
