import { KvDistillError } from "../../util/errors.ts";
import { alpaca } from "./alpaca.ts";
import { longAlpaca } from "./long-alpaca.ts";
import { p3 } from "./p3/index.ts";
import { quality } from "./quality.ts";
import { selfInstruct } from "./self-instruct.ts";
import type { Source } from "./source.ts";
import { squad } from "./squad.ts";
import { squality } from "./squality.ts";
import { superNaturalInstructions } from "./super-natural-instructions.ts";
import { triples } from "./triples.ts";

const SOURCES: readonly Source[] = [
  triples,
  selfInstruct,
  alpaca,
  p3,
  longAlpaca,
  superNaturalInstructions,
  squad,
  quality,
  squality,
];

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
