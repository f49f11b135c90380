import { KvDistillError } from "../../util/errors.ts";

/**
 * RULER's measures (https://github.com/NVIDIA/RULER/blob/main/scripts/eval/synthetic/constants.py): the share of the references that an
 * answer contains, whatever the case; `part` asks for any one of them.
 * @throws KvDistillError `bad-argument` without references
 */
export function stringMatch(answer: string, references: readonly string[], which: "all" | "part"): number {
  if (references.length === 0) {
    throw new KvDistillError("bad-argument", "an answer cannot be scored", { expected: "at least one reference" });
  }
  const said = answer.toLowerCase();
  const found = references.filter((reference) => said.includes(reference.toLowerCase())).length;
  return which === "part" ? Math.min(1, found) : found / references.length;
}
