import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { compressByQueue } from "../../distribute/compress-by-queue.ts";
import {
  type CompressDocuments,
  compressFolder,
  type CompressFolderOptions,
  LINES_FILE,
} from "../../distribute/documents/compress-folder.ts";
import type { DocumentLine, DocumentSettings } from "../../distribute/documents/document.ts";
import { type LinkSettings, withLink } from "../../distribute/link.ts";
import { fileMemory } from "../../distribute/run/memory.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { formatBytes, formatCount, formatDuration } from "../../util/format.ts";
import { withProgress } from "../../util/progress.ts";
import type { CommandContext } from "../context.ts";
import { printTable } from "../print-table.ts";
import { withRunProgress } from "../run-progress.ts";

export interface FolderWork {
  readonly from: string;
  readonly out: string;
  readonly settings: DocumentSettings;
  readonly resume: boolean;
  readonly json: boolean;
  /** The machines that do it; undefined: this one. */
  readonly link: LinkSettings | undefined;
  /** Characters of text in a job. */
  readonly shard: number;
}

/**
 * Compresses the documents of a folder, here or by the workers of a queue, and tells what came of it.
 * @throws KvDistillError as `compressFolder`, and when a document failed
 */
export async function compressDocuments(
  model: LanguageModel,
  adapter: LoadedAdapter | undefined,
  work: FolderWork,
  context: CommandContext,
): Promise<void> {
  const { from, out, settings, resume, json, link: linkSettings, shard } = work;
  const { log, signal } = context;
  const begun = performance.now();
  const options: CompressFolderOptions = {
    model,
    from,
    out,
    settings,
    ...(adapter === undefined ? {} : { adapter }),
    resume,
    signal,
    onNote: (line) => {
      log.warn(line);
    },
  };
  const run = async (compress?: CompressDocuments): Promise<Awaited<ReturnType<typeof compressFolder>>> =>
    compress !== undefined
      ? compressFolder({ ...options, compress })
      : withProgress({ label: "compress", unit: "documents" }, (progress) =>
          compressFolder({
            ...options,
            onProgress: (done, total) => {
              progress.update(done, { of: formatCount(total) });
            },
          }),
        );
  const { lines, before } =
    linkSettings === undefined
      ? await run()
      : await withLink(linkSettings, log, (link) =>
          withRunProgress(context, "compress", async (follow) => {
            const path = join(out, "queue.json");
            if (!resume) await rm(path, { force: true });
            const title = `compress ${from}`;
            return run(compressByQueue({ link, title, shardSize: shard, memory: fileMemory(path), ...follow }));
          }),
        );
  tell(lines, before, (performance.now() - begun) / 1000, work, context);
  const failed = lines.filter((line) => "failure" in line);
  if (failed.length === 0) return;
  throw new KvDistillError("bad-file", `${failed.length} of ${lines.length} documents could not be compressed`, {
    where: from,
    faults: faultList(failed.map(({ document, failure }) => `${document}: ${failure.message}`)),
    hint: `${json ? "" : `they are listed in ${join(out, LINES_FILE)}; `}--resume tries them again`,
  });
}

function tell(
  lines: readonly DocumentLine[],
  before: number,
  seconds: number,
  { out, json }: FolderWork,
  context: CommandContext,
): void {
  const caches = lines.filter((line) => "cache" in line);
  const sum = (of: (line: (typeof caches)[number]) => number): number =>
    caches.reduce((total, line) => total + of(line), 0);
  for (const { document, warnings = [] } of caches) {
    for (const warning of warnings) context.log.warn(`${document}: ${warning}`);
  }
  const facts = {
    out,
    documents: lines.length,
    compressed: caches.length - before,
    before,
    failed: lines.length - caches.length,
    tokens: sum(({ tokens }) => tokens),
    rows: sum(({ rows }) => rows),
    bytes: sum(({ bytes }) => bytes),
    seconds,
  };
  if (json) {
    context.out.json(facts);
    return;
  }
  printTable(
    context.out,
    ["", ""],
    [
      ["documents", formatCount(facts.documents)],
      ["compressed now", formatCount(facts.compressed)],
      ...(before === 0 ? [] : [["there before", formatCount(before)]]),
      ...(facts.failed === 0 ? [] : [["failed", formatCount(facts.failed)]]),
      ["tokens kept", `${formatCount(facts.rows)} of ${formatCount(facts.tokens)}`],
      ["caches", `${formatBytes(facts.bytes)} · ${out}`],
      ["time", formatDuration(seconds)],
    ],
  );
}
