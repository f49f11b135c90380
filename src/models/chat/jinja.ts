import * as library from "@huggingface/jinja";

/** A parsed template; nothing outside the library looks into it. */
export type Program = object;

/** A node of a parsed template. */
export interface Statement {
  readonly type: string;
}

/** What a node evaluates to: `value` is a string for strings, an array for arrays. */
export interface RuntimeValue {
  readonly type: string;
  readonly value: unknown;
}

export interface Environment {
  /** Makes a variable or, from a function, a callable. */
  set(name: string, value: unknown): void;
}

export interface Interpreter {
  run(program: Program): RuntimeValue;
  evaluate(statement: Statement | undefined, environment: Environment): RuntimeValue;
}

interface Library {
  /** Names that are not set in it are looked up in `parent`. */
  readonly Environment: new (parent?: Environment) => Environment;
  readonly Interpreter: new (environment: Environment) => Interpreter;
  readonly tokenize: (source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => object[];
  readonly parse: (tokens: object[]) => Program;
}

/**
 * What is used of `@huggingface/jinja`, typed here: its own declarations import each other without file extensions,
 * which type resolution for Node does not follow.
 */
export const { Environment, Interpreter, tokenize, parse } = library as unknown as Library;
