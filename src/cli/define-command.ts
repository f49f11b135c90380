import { Option } from "commander";
import { isKvDistillError } from "../util/errors.ts";
import { quote } from "../util/quote.ts";
import type { CommandContext } from "./context.ts";
import type { ArgumentSpec, ArgumentSpecs, ArgumentValues, OptionSpec, OptionSpecs, OptionValues } from "./spec.ts";
import type { StrictCommand } from "./strict-command.ts";
import { UsageError } from "./usage-error.ts";

/** What a command is. `examples` are command lines without the leading `kv-distill`, with what they do. */
export interface CommandSpec<O extends OptionSpecs, A extends ArgumentSpecs> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** More, for the command's own help. */
  readonly description?: string;
  readonly arguments: A;
  readonly options: O;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Faults that concern several options at once, as sentences without a full stop. */
  readonly check?: (given: CommandInput<O, A>) => readonly string[];
  /** Commands below this one: `prepare answers`. A word that names none of them is an argument. */
  readonly commands?: readonly AddCommand[];
  /** Does the work: results to `context.out`, everything else to `context.log`, failures thrown. */
  readonly run: (given: CommandInput<O, A>, context: CommandContext) => Promise<void>;
}

export interface CommandInput<O extends OptionSpecs, A extends ArgumentSpecs> {
  readonly options: OptionValues<O>;
  readonly arguments: ArgumentValues<A>;
}

/** Adds a command to the program. */
export type AddCommand = (program: StrictCommand, context: CommandContext) => void;

/** Order of the list of commands is that of `commands/index.ts`. */
export function defineCommand<O extends OptionSpecs, A extends ArgumentSpecs>(spec: CommandSpec<O, A>): AddCommand {
  return (program, context) => {
    const command = program
      .command(spec.name)
      .summary(spec.summary)
      .description(spec.description ?? spec.summary);
    for (const { name, description, kind } of Object.values(spec.arguments)) {
      command.argument(ARGUMENT_FORMS[kind](name), description);
    }
    if (spec.commands !== undefined) command.enablePositionalOptions();
    for (const add of spec.commands ?? []) add(command, context);
    const values = new Map<string, unknown>();
    for (const [key, own] of Object.entries(spec.options)) {
      command.addOption(commanderOption(own, (value) => values.set(key, value), command.faults));
    }
    command.addHelpText("after", exampleText(spec.examples));
    command.leaf(async (args) => {
      const { faults } = command;
      for (const [key, { required, flags }] of Object.entries(spec.options)) {
        if (required && !values.has(key)) faults.push(`${flags}: missing`);
      }
      const given = {
        options: withFallbacks(spec.options, values) as OptionValues<O>,
        arguments: named(spec.arguments, args) as ArgumentValues<A>,
      };
      // A check reads values, so it needs good ones.
      if (faults.length === 0) faults.push(...(spec.check?.(given) ?? []));
      if (faults.length > 0) throw new UsageError(command.fullName, faults);
      await spec.run(given, context);
    });
  };
}

const ARGUMENT_FORMS: Readonly<Record<ArgumentSpec<unknown>["kind"], (name: string) => string>> = {
  required: (name) => `<${name}>`,
  optional: (name) => `[${name}]`,
  rest: (name) => `<${name}...>`,
  "optional rest": (name) => `[${name}...]`,
};

/** The option as commander knows it; its values go to `set`, what is wrong with them to `faults`. */
function commanderOption(own: OptionSpec<unknown>, set: (value: unknown) => void, faults: string[]): Option {
  const made = new Option(own.flags, own.shown === undefined ? own.description : describe(own, own.shown));
  const name = made.long ?? own.flags;
  let seen = false;
  return made.argParser((given: string | undefined) => {
    if (seen) faults.push(`${name}: given twice`);
    seen = true;
    if (own.parse === undefined) set(true);
    // Undefined: the command line ends after the flag, which commander has told already.
    else if (given !== undefined) {
      try {
        set(own.parse(given));
      } catch (error) {
        if (!isKvDistillError(error)) throw error;
        const { expected, got = quote(given), hint } = error.facts;
        const tail = [expected === undefined ? error.message : `expected ${expected}`, `got ${got}`, hint ?? []].flat();
        faults.push(`${name}: ${tail.join("; ")}`);
      }
    }
    return given;
  });
}

function describe({ description }: OptionSpec<unknown>, shown: string): string {
  return `${description} (default: ${shown})`;
}

function withFallbacks(specs: OptionSpecs, values: ReadonlyMap<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(specs).map(([key, { fallback }]) => [key, values.has(key) ? values.get(key) : fallback]),
  );
}

function named(specs: ArgumentSpecs, args: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(Object.keys(specs).map((key, at) => [key, args[at]]));
}

function exampleText(examples: CommandSpec<OptionSpecs, ArgumentSpecs>["examples"]): string {
  const lines = examples.map(([command, what]) => `  kv-distill ${command}\n      ${what}`);
  return `\nExamples:\n${lines.join("\n")}\n`;
}
