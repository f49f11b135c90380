import { KvDistillError } from "../util/errors.ts";
import type { Feeds, Program } from "./program.ts";
import type { Resident } from "./residents.ts";

/** The feeds that a program takes, out of several sets; later sets win. A program made from a graph has only the inputs it uses. */
export function pickFeeds(program: Program, ...sets: readonly Feeds[]): Feeds {
  const all: Feeds = Object.assign({}, ...sets) as Feeds;
  return Object.fromEntries(
    program.inputs.flatMap((name) => {
      const feed = all[name];
      return feed === undefined ? [] : [[name, feed]];
    }),
  );
}

/** A named resident of a run. */
export function residentOf(residents: Readonly<Record<string, Resident>>, name: string): Resident {
  const resident = residents[name];
  if (resident === undefined) throw new KvDistillError("bad-argument", "the run kept no such output", { where: name });
  return resident;
}
