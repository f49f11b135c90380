import type { AddCommand } from "../define-command.ts";
import { generate } from "./generate.ts";
import { logits } from "./logits.ts";
import { train } from "./train.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly AddCommand[] = [generate, logits, train];
