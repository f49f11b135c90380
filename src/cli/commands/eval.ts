import type { AddCommand } from "../define-command.ts";
import { TASK_COMMANDS } from "../eval/tasks.ts";

/** `kv-distill eval TASK`: a command for each task. */
export const evaluate: AddCommand = (program, context) => {
  const command = program
    .command("eval")
    .summary("measure what compression loses, method by method")
    .description(
      "Asks every question of a task of each method's compressed cache, greedily and with one prompt, and compares with the full cache: " +
        "the task's own scores, and KL from the full cache's predictions at the gold answers, with paired intervals.",
    )
    .usage("TASK [options]")
    .enablePositionalOptions();
  for (const add of TASK_COMMANDS) add(command, context);
};
