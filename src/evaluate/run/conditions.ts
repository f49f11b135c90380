/** One way to read a passage that a run measures: a method, at one budget where the method has one. */
export interface Condition {
  readonly method: string;
  /** Fraction kept that is asked for; undefined for methods without a budget. */
  readonly keep: number | undefined;
}

/** Methods that do not look at the budget: measured once, whatever the budgets. */
const WITHOUT_BUDGET: readonly string[] = ["full", "none"];

/** Whether a method keeps what it is asked to. */
export function hasBudget(method: string): boolean {
  return !WITHOUT_BUDGET.includes(method);
}

/** The full cache first, then the floor, then each method at each budget, in the order given. */
export function conditionsOf(methods: readonly string[], keeps: readonly number[]): Condition[] {
  const unbudgeted = WITHOUT_BUDGET.filter((method) => methods.includes(method));
  const budgeted = methods.filter(hasBudget);
  return [
    ...unbudgeted.map((method) => ({ method, keep: undefined })),
    ...keeps.flatMap((keep) => budgeted.map((method) => ({ method, keep }))),
  ];
}

/** The condition that a result is of: results of methods without a budget say what was kept. */
export function conditionMeasured({ method, keep }: { readonly method: string; readonly keep: number }): Condition {
  return { method, keep: hasBudget(method) ? keep : undefined };
}

/** A condition as a key and as a person writes it: `full`, `h2o 25%`. */
export function conditionName({ method, keep }: Condition): string {
  return keep === undefined ? method : `${method} ${Number((keep * 100).toPrecision(12))}%`;
}
