import { Interpreter, type Environment, type RuntimeValue, type Statement } from "./jinja.ts";
import { TemplateLimitReached } from "./limits.ts";

export interface InterpreterLimits {
  readonly textLength: number;
  readonly listLength: number;
  /** When to stop, on the clock of `performance.now()`; never when absent. */
  readonly deadline?: number;
}

/**
 * The library's interpreter, stopped at the first value that is too large and at the deadline. Every value a template computes
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
    const result = super.evaluate(statement, environment);
    const { value } = result;
    if (typeof value === "string" && value.length > this.#limits.textLength) {
      throw new TemplateLimitReached(`a text of ${value.length} characters`);
    }
    if (Array.isArray(value) && value.length > this.#limits.listLength) {
      throw new TemplateLimitReached(`a list of ${value.length} items`);
    }
    return result;
  }
}
