import { Interpreter, type Environment, type RuntimeValue, type Statement } from "./jinja.ts";
import { TemplateLimitReached } from "./limits.ts";

export interface SizeLimits {
  readonly textLength: number;
  readonly listLength: number;
}

/**
 * The library's interpreter, stopped at the first value that is too large. Every value a template computes passes through
 * `evaluate`, so doubling a text or a list again and again ends after the first excess.
 */
export class BoundedInterpreter extends Interpreter {
  readonly #limits: SizeLimits;

  constructor(environment: Environment, limits: SizeLimits) {
    super(environment);
    this.#limits = limits;
  }

  override evaluate(statement: Statement | undefined, environment: Environment): RuntimeValue {
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
