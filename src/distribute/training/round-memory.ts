import { rm } from "node:fs/promises";
import { z } from "zod";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import { RUN_NAME } from "../jobs/payload.ts";

const runName = z.string().regex(RUN_NAME, "not the name of a run");

const rememberedSchema = z.strictObject({
  /** The round that was sent last, and a hash of what its jobs are; null between two rounds. */
  sent: z.strictObject({ run: runName, jobs: z.string() }).nullable(),
  /** Earlier rounds that have files in the store. */
  kept: boundedList(runName, { most: 100_000 }),
});
export type RememberedRounds = Readonly<z.infer<typeof rememberedSchema>>;

/** What a training run remembers of its rounds, in a file of its folder: a process that goes on takes a round up again, or cleans up. */
export interface RoundMemory {
  /** @throws KvDistillError `bad-file`, `disk` */
  recall(): Promise<RememberedRounds>;
  remember(rounds: RememberedRounds): Promise<void>;
  forget(): Promise<void>;
}

const MAX_BYTES = 16 * 2 ** 20;

export function roundMemory(path: string): RoundMemory {
  return {
    recall: async () => {
      if (!(await pathExists(path))) return { sent: null, kept: [] };
      const json = parseStrictJson(await readTextFile(path, MAX_BYTES), path, { maxDepth: 4, maxKeys: 100 });
      const found = rememberedSchema.safeParse(json);
      if (found.success) return found.data;
      throw new KvDistillError("bad-file", "not what is remembered of a run's rounds", {
        where: path,
        hint: "without the file the round is sent anew",
      });
    },
    remember: (rounds) => writeFileAtomic(path, Buffer.from(`${JSON.stringify(rounds)}\n`)),
    forget: () => rm(path, { force: true }),
  };
}
