import type { Precision } from "../models/precision/precision.ts";
import type { PeerName } from "./sides/peers.ts";
import type { WorkRequest } from "./sides/protocol.ts";

/** What is compared: tokens of work a second, answers a second (higher is better), or peak memory (lower is better). */
export type Measure = "tokens/s" | "answers/s" | "peak bytes";

/** One side's part of a trial. */
export interface TrialEntry {
  readonly name: string;
  /** A peer, or a process of this package; entries of one name share a process. */
  readonly side: PeerName | `ours${string}`;
  /** Of a process of this package; the bench's own by default. */
  readonly precision?: Precision;
  /** The work of a round; every entry gets the same rounds. */
  readonly request: (round: number) => WorkRequest;
  /** Asked once before the rounds of a trial whose own work is too long to warm up with. */
  readonly warmUp?: () => WorkRequest;
  /** The ratio to the first entry that is aimed at: at least, or at most for memory. */
  readonly goal?: number;
  /** What comes out must be what comes out of the first entry. */
  readonly sameResult?: boolean;
}

/** The same work on several sides, measured in turns. The first entry is what is judged. */
export interface Trial {
  readonly name: string;
  readonly what: string;
  readonly measure: Measure;
  readonly entries: readonly [TrialEntry, ...TrialEntry[]];
  /** For work of minutes: at most this many repetitions, and no round to warm up. */
  readonly atMost?: number;
}
