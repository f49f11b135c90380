import { rm } from "node:fs/promises";
import { z } from "zod";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import { RUN_NAME } from "../jobs/payload.ts";

/** A run that was sent, and which pieces of the work each of its shards holds. */
const rememberedSchema = z.strictObject({
  run: z.string().regex(RUN_NAME, "not the name of a run"),
  /** Names of the pieces, shard by shard. */
  shards: boundedList(boundedList(z.string()), { least: 1 }),
});
export type RememberedRun = Readonly<z.infer<typeof rememberedSchema>>;

/** What a command remembers of the run that it sent, so that the same command goes on with it after a stop. */
export interface RunMemory {
  recall(): Promise<RememberedRun | undefined>;
  remember(run: RememberedRun): Promise<void>;
  /** The run has ended and its results are taken. */
  forget(): Promise<void>;
}

const MAX_BYTES = 64 * 2 ** 20;

/** In a file beside the results. @throws KvDistillError `bad-file`, `disk` */
export function fileMemory(path: string): RunMemory {
  return {
    recall: async () => {
      if (!(await pathExists(path))) return undefined;
      const json = parseStrictJson(await readTextFile(path, MAX_BYTES), path, { maxDepth: 4, maxKeys: 100 });
      const found = rememberedSchema.safeParse(json);
      if (found.success) return found.data;
      throw new KvDistillError("bad-file", "not what is remembered of a run", {
        where: path,
        hint: "without the file the work that is left is sent anew",
      });
    },
    remember: (run) => writeFileAtomic(path, Buffer.from(`${JSON.stringify(run)}\n`)),
    forget: () => rm(path, { force: true }),
  };
}
