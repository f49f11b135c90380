import { join } from "node:path";
import { z } from "zod";
import { storedAdapterSchema } from "../store/adapter.ts";
import { cacheFactsSchema, compressDocument, documentSettingsSchema } from "../documents/document.ts";
import { getJson, putFile, putJson } from "../store/checked-file.ts";
import { storedFileSchema } from "../store/key.ts";
import { isJobFault, isMachineFault } from "../worker/faults.ts";
import type { JobKind } from "./kind.ts";
import { checked, failureOf, failureSchema } from "./payload.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { isKvDistillError, KvDistillError, messageOf } from "../../util/errors.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "not a sha256");

/** Documents in the store. Names are for the sender: a worker makes no path of them. */
export const sentDocumentsSchema = boundedList(z.strictObject({ name: z.string(), sha256, text: z.string() }));

const workSchema = z.strictObject({
  settings: documentSettingsSchema,
  adapter: storedAdapterSchema.nullable(),
  /** JSON: `sentDocumentsSchema`. */
  documents: storedFileSchema,
});
export type CompressWork = Readonly<z.infer<typeof workSchema>>;

/** How a document ended; `sha256` is its text's. */
export const compressedDocumentsSchema = boundedList(
  z.union([
    z.strictObject({ name: z.string(), sha256, file: storedFileSchema, facts: cacheFactsSchema }),
    z.strictObject({ name: z.string(), sha256, failure: failureSchema }),
  ]),
);
export type CompressedDocuments = Readonly<z.infer<typeof compressedDocumentsSchema>>;

const resultSchema = z.strictObject({
  /** JSON: `compressedDocumentsSchema`. */
  documents: storedFileSchema,
});

/** A document that fails is told in the result; the others are not held up. A failure that may pass fails the job, to be tried again. */
export const COMPRESS_JOB: JobKind<CompressWork, z.infer<typeof resultSchema>> = {
  name: "compress",
  work: workSchema,
  result: resultSchema,
  run: async ({ settings, adapter: stored, documents: file }, context) => {
    const { model, store, folder, scratch, signal } = context;
    const documents = checked(sentDocumentsSchema, await getJson(store, file), file.key);
    const adapter = stored === null ? undefined : await context.adapter(stored);
    const done: CompressedDocuments[number][] = [];
    let passing: KvDistillError | undefined;
    for (const { name, sha256, text } of documents) {
      const path = join(scratch, "document.kvd");
      try {
        const facts = await compressDocument(model, text, settings, adapter, path, signal);
        done.push({ name, sha256, file: await putFile(store, `${folder}/caches`, "kvd", path), facts });
      } catch (error) {
        if (signal.aborted || isMachineFault(error)) throw error;
        if (!isJobFault(error)) {
          const code = isKvDistillError(error) ? error.code : "engine";
          passing ??= new KvDistillError(code, messageOf(error), { where: name, cause: error });
        }
        done.push({ name, sha256, failure: failureOf(error) });
      }
    }
    if (passing !== undefined && !context.lastAttempt) throw passing;
    for (const ended of done) if ("failure" in ended) context.pieceFailed(ended.name, ended.failure);
    return { documents: await putJson(store, `${folder}/results`, done) };
  },
};
