import type { AddCommand } from "../define-command.ts";
import { logits } from "./logits.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly AddCommand[] = [logits];
