import type { Task } from "../../evaluate/tasks/task.ts";
import { type AddCommand, defineCommand } from "../define-command.ts";
import type { OptionSpecs, OptionValues } from "../spec.ts";
import { type RunOptions, runFaults, runOptions } from "./run-options.ts";
import { runTask } from "./run-task.ts";

/** A task as a command. */
export interface TaskCommandSpec<O extends OptionSpecs> {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Those of the task alone. */
  readonly options: O;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** What is wrong with options that are good each for itself, as sentences without a full stop. */
  readonly check?: (options: OptionValues<O>) => readonly string[];
  readonly task: (options: OptionValues<O>) => Task | Promise<Task>;
}

export function taskCommand<O extends OptionSpecs>(spec: TaskCommandSpec<O>): AddCommand {
  const { name, summary, description, options, examples, check, task } = spec;
  return defineCommand({
    name,
    summary,
    description: `${description} With --json the last line of stdout holds all results.`,
    arguments: {},
    options: { ...options, ...runOptions },
    examples,
    check: ({ options: given }) => [...(check?.(given as OptionValues<O>) ?? []), ...runFaults(given as RunOptions)],
    run: async ({ options: given }, context) => {
      await runTask(await task(given), given, context);
    },
  });
}
