import { Interpreter, type Environment, type RuntimeValue, type Statement } from "./jinja.ts";
import { TemplateLimitReached } from "./limits.ts";

export interface InterpreterLimits {
  readonly textLength: number;
  readonly listLength: number;
  /** When to stop, on the clock of `performance.now()`; never when absent. */
  readonly deadline?: number;
}

/**
 * The library's interpreter, stopped at the first value that is too large and at the deadline, with comparisons as Python has them. Every value a template computes
 * passes through `evaluate`, so doubling a text or a list again and again ends after the first excess.
 */
export class BoundedInterpreter extends Interpreter {
  readonly #limits: InterpreterLimits;

  constructor(environment: Environment, limits: InterpreterLimits) {
    super(environment);
    this.#limits = limits;
  }

  override evaluate(statement: Statement | undefined, environment: Environment): RuntimeValue {
    const { deadline = Infinity } = this.#limits;
    if (performance.now() > deadline) throw new TemplateLimitReached("more time than it may take");
    const result = isComparison(statement)
      ? this.#compare(statement, environment)
      : super.evaluate(statement, environment);
    const { value } = result;
    if (typeof value === "string" && value.length > this.#limits.textLength) {
      throw new TemplateLimitReached(`a text of ${value.length} characters`);
    }
    if (Array.isArray(value) && value.length > this.#limits.listLength) {
      throw new TemplateLimitReached(`a list of ${value.length} items`);
    }
    return result;
  }
  /** The library compares lists and dictionaries by identity, Python by what they hold. */
  #compare({ left, right, operator }: Comparison, environment: Environment): RuntimeValue {
    const equal = isEqual(this.evaluate(left, environment), this.evaluate(right, environment));
    const verdict: Comparison = { type: "BinaryExpression", left: ONE, right: equal ? ONE : ZERO, operator };
    return super.evaluate(verdict, environment);
  }
}

/** `==` or `!=` of two values. */
interface Comparison extends Statement {
  readonly left: Statement;
  readonly right: Statement;
  readonly operator: { readonly value: string };
}

// The library does not let its values be made: comparing two numbers makes true and false.
const ONE = { type: "IntegerLiteral", value: 1 };
const ZERO = { type: "IntegerLiteral", value: 0 };

function isComparison(statement: Statement | undefined): statement is Comparison {
  if (statement?.type !== "BinaryExpression" || !("operator" in statement)) return false;
  const { value } = (statement as Comparison).operator;
  return value === "==" || value === "!=";
}

function isEqual({ value: a }: RuntimeValue, { value: b }: RuntimeValue): boolean {
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, i) => isEqual(item, b[i] ?? UNDEFINED));
  if (isDictionary(a) && isDictionary(b)) {
    return a.size === b.size && [...a].every(([key, item]) => isEqual(item, b.get(key) ?? UNDEFINED));
  }
  return isList(a) || isList(b) || isDictionary(a) || isDictionary(b) ? false : a == b;
}

const UNDEFINED: RuntimeValue = { type: "UndefinedValue", value: undefined };

function isList(value: unknown): value is readonly RuntimeValue[] {
  return Array.isArray(value);
}

function isDictionary(value: unknown): value is ReadonlyMap<unknown, RuntimeValue> {
  return value instanceof Map;
}
