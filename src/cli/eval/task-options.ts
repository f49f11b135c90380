import type { Task } from "../../evaluate/tasks/task.ts";
import { squadTask } from "../../evaluate/tasks/squad.ts";
import { quote } from "../../util/quote.ts";
import { option, type OptionValues } from "../spec.ts";
import { filePaths } from "../values/file-paths.ts";

/** Options that not every task has. */
export const taskOptions = {
  data: option("--data <files>", "questions, one file or several separated by commas", filePaths),
} as const;

type TaskOptions = OptionValues<typeof taskOptions>;
type TaskOption = keyof TaskOptions;

interface TaskEntry {
  /** One line for the help. */
  readonly summary: string;
  readonly needs: readonly TaskOption[];
  readonly takes: readonly TaskOption[];
  /** What is wrong with values of options that are all there, beyond what their parsers see. */
  readonly check?: (options: TaskOptions) => readonly string[];
  /** All options that it needs are there. */
  readonly make: (options: TaskOptions) => Task;
}

const TASKS: Readonly<Record<string, TaskEntry>> = {
  squad: {
    summary: "short answers out of a paragraph: SQuAD v1.1 JSON, or JSON Lines with context, question and answers",
    needs: ["data"],
    takes: [],
    check: oneFile,
    make: ({ data }) => squadTask(data?.[0] ?? ""),
  },
};

export const TASK_NAMES: readonly string[] = Object.keys(TASKS);

/** Every task with what it is and the options of its own. */
export function taskHelp(): string {
  return Object.entries(TASKS)
    .map(([name, { summary, needs, takes }]) => {
      const own = [...needs.map(flagOf), ...takes.map((key) => `[${flagOf(key)}]`)].join(" ");
      return `${name} (${own}): ${summary}.`;
    })
    .join(" ");
}

/** Everything that is wrong with a task's name and options, as sentences without a full stop. */
export function taskFaults(name: string, options: TaskOptions): string[] {
  const task = TASKS[name];
  if (task === undefined) return [`there is no task ${quote(name)}; there are ${TASK_NAMES.join(", ")}`];
  const given = (Object.keys(taskOptions) as TaskOption[]).filter((key) => options[key] !== undefined);
  const missing = task.needs.filter((key) => options[key] === undefined);
  return [
    ...missing.map((key) => `the task ${name} needs ${flagOf(key)}`),
    ...given
      .filter((key) => !task.needs.includes(key) && !task.takes.includes(key))
      .map((key) => `the task ${name} has no ${flagOf(key)}`),
    ...(missing.length > 0 ? [] : (task.check?.(options) ?? [])),
  ];
}

/** The task that the options describe; `taskFaults` has found nothing wrong with them. */
export function taskFrom(name: string, options: TaskOptions): Task {
  const task = TASKS[name];
  if (task === undefined) throw new RangeError(name);
  return task.make(options);
}

function flagOf(key: TaskOption): string {
  return taskOptions[key].flags.split(" ")[0] ?? key;
}

function oneFile({ data = [] }: TaskOptions): string[] {
  return data.length > 1 ? [`--data: expected one file, got ${data.length}`] : [];
}
