import { KvDistillError } from "../../util/errors.ts";
import type { Source } from "./source.ts";
import { triples } from "./triples.ts";

const SOURCES: readonly Source[] = [triples];

/** Names that `sourceNamed` knows. */
export const SOURCE_NAMES: readonly string[] = SOURCES.map(({ name }) => name);

/** @throws KvDistillError `not-found`. */
export function sourceNamed(name: string): Source {
  const found = SOURCES.find((source) => source.name === name);
  if (found !== undefined) return found;
  throw new KvDistillError("not-found", "no such data source", {
    expected: `one of ${SOURCE_NAMES.join(", ")}`,
    got: name,
  });
}
