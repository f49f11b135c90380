import type { Limits } from "./judge.ts";
import type { Dice } from "./make/dice.ts";

/** One hostile input and what a parser is to do with it. */
export interface Case {
  /** Bytes of the input: what the parser may use in memory is measured by it. */
  readonly bytes: number;
  /** Where a parser works in a thread of bounded time and memory: those bounds, which are added to the limits of a case. */
  readonly thread?: Limits;
  /** For the failure file: what was given, as text (base64 where it is no text). */
  readonly shown: () => string;
  /**
   * Gives the input to the parser. Resolves when a value came out that holds what the parser promises of it.
   * @throws KvDistillError where the parser refused it; anything else, `Broken` above all, is a bug
   */
  readonly run: () => Promise<void>;
}

/** A value came out of a parser that the parser promises never to give, or the parser left something behind. */
export class Broken extends Error {}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Broken(what);
}

/** A parser, opened for fuzzing. */
export interface Opened {
  /** The case of these dice. */
  make(dice: Dice): Case;
  /** Small valid inputs, each with every damage of `damages`; what is damaged runs as a case. */
  readonly edges: () => Iterable<Case>;
  close(): Promise<void>;
}

export interface Target {
  readonly name: string;
  /** Cases of a thousand in a run over all targets. */
  readonly share: number;
  /** @param scratch an empty folder of its own */
  open(scratch: string): Promise<Opened>;
}
