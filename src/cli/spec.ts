/**
 * Text of an option as a value.
 * @throws KvDistillError `bad-argument` with `expected` and `got`
 */
export type Parser<T> = (text: string) => T;

/** One option of a command. Make it with `option`, `optionOr`, `requiredOption` or `flag`. */
export interface OptionSpec<T> {
  /** `--ids <list>`; short forms in front: `-n, --max-tokens <n>`. */
  readonly flags: string;
  readonly description: string;
  /** Undefined for switches. */
  readonly parse: Parser<T> | undefined;
  readonly required: boolean;
  /** What the command gets when the option is not given. */
  readonly fallback: T;
  /** Default as the help shows it. */
  readonly shown: string | undefined;
}

/** An argument without a name of its own. Make it with `argument`, `optionalArgument`, `restArguments` or `optionalRest`. */
export interface ArgumentSpec<T> {
  readonly name: string;
  readonly description: string;
  readonly kind: "required" | "optional" | "rest" | "optional rest";
  /** For the type only. */
  readonly value?: T;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>;
export type OptionValues<S extends OptionSpecs> = {
  readonly [K in keyof S]: S[K] extends OptionSpec<infer T> ? T : never;
};
export type ArgumentSpecs = Readonly<Record<string, ArgumentSpec<unknown>>>;
export type ArgumentValues<S extends ArgumentSpecs> = {
  readonly [K in keyof S]: S[K] extends ArgumentSpec<infer T> ? T : never;
};

/** An option that may be left out: undefined then. */
export function option<T>(flags: string, description: string, parse: Parser<T>): OptionSpec<T | undefined> {
  return { flags, description, parse, required: false, fallback: undefined, shown: undefined };
}

/** An option with a default; `shown` is how the help writes it. */
export function optionOr<T>(
  flags: string,
  description: string,
  parse: Parser<T>,
  fallback: T,
  shown = String(fallback),
): OptionSpec<T> {
  return { flags, description, parse, required: false, fallback, shown };
}

/** An option that must be given. */
export function requiredOption<T>(flags: string, description: string, parse: Parser<T>): OptionSpec<T> {
  // Never seen: a command without it does not run.
  return { flags, description, parse, required: true, fallback: undefined as T, shown: undefined };
}

/** A switch: true when given. */
export function flag(flags: string, description: string): OptionSpec<boolean> {
  return { flags, description, parse: undefined, required: false, fallback: false, shown: undefined };
}

export function argument(name: string, description: string): ArgumentSpec<string> {
  return { name, description, kind: "required" };
}

export function optionalArgument(name: string, description: string): ArgumentSpec<string | undefined> {
  return { name, description, kind: "optional" };
}

/** All further arguments; at least one. */
export function restArguments(name: string, description: string): ArgumentSpec<readonly string[]> {
  return { name, description, kind: "rest" };
}

/** All further arguments; none is well too. */
export function optionalRest(name: string, description: string): ArgumentSpec<readonly string[]> {
  return { name, description, kind: "optional rest" };
}

/** Any text, as it stands. */
export const text: Parser<string> = (given) => given;
