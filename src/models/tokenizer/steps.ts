import type { Step } from "./schema.ts";

/** The steps of a `Sequence`, nested ones too, in order; a single step alone; nothing for null. `field` is where a Sequence keeps them. */
export function stepsOf(step: Step | null, field: "normalizers" | "pretokenizers" | "decoders"): Step[] {
  if (step === null) return [];
  if (step.type !== "Sequence") return [step];
  const inner = step[field];
  return Array.isArray(inner) ? inner.flatMap((each: unknown) => (isStep(each) ? stepsOf(each, field) : [])) : [];
}

function isStep(value: unknown): value is Step {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
