import type { LoadedAdapter } from "../compress/loaded-adapter.ts";
import { KvDistillError } from "../util/errors.ts";
import type { CompressDocuments, OpenDocument } from "./documents/compress-folder.ts";
import { cacheNameOf, type DocumentLine, type DocumentSettings, textDigest } from "./documents/document.ts";
import { identityOf } from "./identity.ts";
import { COMPRESS_JOB, compressedDocumentsSchema, type CompressWork } from "./jobs/compress.ts";
import { checked, failureOf } from "./jobs/payload.ts";
import type { Link } from "./link.ts";
import { distribute, type FollowOptions, forgetFiles, type Shard } from "./run/distribute.ts";
import type { RunMemory } from "./run/memory.ts";
import { newRunName, runFolder } from "./run/run-name.ts";
import { cutBySize, SHARD_SIZE } from "./shards.ts";
import { fetchFile, getJson, putJson } from "./store/checked-file.ts";
import { putAdapter } from "./store/adapter.ts";

export interface CompressByQueueOptions extends FollowOptions {
  readonly link: Link;
  /** For people. */
  readonly title: string;
  /** Of a shard, in characters of text. It decides who does what, not what comes out. */
  readonly shardSize?: number;
  readonly memory: RunMemory;
}

interface ReadDocument extends OpenDocument {
  readonly content: string;
  readonly digest: string;
}

/**
 * Compresses documents on the machines of a queue; caches are fetched as the run ends.
 * @throws KvDistillError as `distribute`
 */
export function compressByQueue(options: CompressByQueueOptions): CompressDocuments {
  return async function* (documents, work) {
    const open: ReadDocument[] = [];
    for (const document of documents) {
      try {
        const content = await document.text();
        open.push({ ...document, content, digest: textDigest(content) });
      } catch (error) {
        yield { document: document.name, text: null, failure: failureOf(error) };
      }
    }
    // A remembered run may know documents as they were: those that have changed since are sent in a run of their own.
    const ended = new Set<string>();
    for (let all = false; ;) {
      const left = open.filter(({ name }) => !ended.has(name));
      if (left.length === 0) return;
      if (all) {
        throw new KvDistillError("bad-file", "the workers told nothing of some documents", {
          where: left[0]?.name ?? "",
        });
      }
      all = (await options.memory.recall()) === undefined;
      for await (const line of compressRun(options, left, work)) {
        ended.add(line.document);
        yield line;
      }
    }
  };
}

async function* compressRun(
  { link, title, shardSize = SHARD_SIZE, memory, ...follow }: CompressByQueueOptions,
  documents: readonly ReadDocument[],
  { model, settings, adapter, signal }: Parameters<CompressDocuments>[1],
): AsyncGenerator<DocumentLine, void, undefined> {
  const byName = new Map(documents.map((document) => [document.name, document]));
  const cut = cutBySize(documents, ({ content }) => content.length, shardSize);
  const { run, shards } = (await memory.recall()) ?? {
    run: newRunName(COMPRESS_JOB.name),
    shards: cut.map((own) => own.map(({ name }) => name)),
  };
  await memory.remember({ run, shards });
  const work = await sentShards(
    link,
    run,
    shards.map((names) => names.flatMap((name) => byName.get(name) ?? [])),
    settings,
    adapter,
  );
  const identity = await identityOf(model);
  const distribution = { kind: COMPRESS_JOB, run, identity, title, unit: "documents", shards: work };
  const outcomes = await distribute(link, distribution, { ...(signal === undefined ? {} : { signal }), ...follow });

  for (const [i, outcome] of outcomes.entries()) {
    if ("failure" in outcome) {
      for (const name of shards[i] ?? []) {
        const document = byName.get(name);
        if (document !== undefined) yield { document: name, text: document.digest, failure: outcome.failure };
      }
      continue;
    }
    const { documents: file } = outcome.result;
    for (const done of checked(compressedDocumentsSchema, await getJson(link.store, file), file.key)) {
      const document = byName.get(done.name);
      if (document?.digest !== done.sha256) continue;
      if ("failure" in done) {
        yield { document: done.name, text: done.sha256, failure: done.failure };
        continue;
      }
      if (done.file.sha256 !== done.facts.sha256) {
        throw new KvDistillError("checksum-mismatch", "a result names two hashes for one cache", { where: done.name });
      }
      await fetchFile(link.store, done.file, document.path, { mode: 0o600 });
      yield { document: done.name, text: done.sha256, cache: cacheNameOf(done.name), ...done.facts };
    }
  }
  // What was handed over is written.
  await memory.forget();
  await forgetFiles(link, run);
}

async function sentShards(
  { store, scratch }: Link,
  run: string,
  shards: readonly (readonly ReadDocument[])[],
  settings: DocumentSettings,
  adapter: LoadedAdapter | undefined,
): Promise<Shard<CompressWork>[]> {
  const folder = runFolder(run);
  const stored =
    settings.method === "kv-distill" && adapter !== undefined
      ? await putAdapter(store, `${folder}/adapter`, adapter.adapter, scratch)
      : null;
  const sent: Shard<CompressWork>[] = [];
  for (const own of shards) {
    const file = await putJson(
      store,
      `${folder}/work`,
      own.map(({ name, digest, content }) => ({ name, sha256: digest, text: content })),
    );
    const names = own.map(({ name }) => name);
    sent.push({ units: own.length, names, work: { settings, adapter: stored, documents: file } });
  }
  return sent;
}
