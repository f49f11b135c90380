import { checkFolderConfig, type FolderIdentity } from "../../../src/distribute/documents/folder-config.ts";
import { parseDocumentLine } from "../../../src/distribute/documents/parse-line.ts";
import { RUN_NAME } from "../../../src/distribute/jobs/payload.ts";
import { parseRedisUrl } from "../../../src/distribute/redis/address.ts";
import { fileMemory } from "../../../src/distribute/run/memory.ts";
import { roundMemory } from "../../../src/distribute/training/round-memory.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { bytesCase, filesCase } from "../make/case.ts";
import { printTree, treeOf } from "../make/json-tree.ts";
import { mutateJson } from "../make/text.ts";
import { RUN, SHA } from "../samples/jobs.ts";
import { type Case, must, type Target } from "../target.ts";

const IDENTITY: FolderIdentity = {
  version: 1,
  settings: { keep: { tokens: 9 }, method: "streaming", fold: false, marked: false, seed: 0 },
  modelHash: SHA,
  tokenizerHash: SHA,
  adapterHash: "none",
};
const LINES = [
  {
    document: "a/b.txt",
    text: SHA,
    cache: "a/b.txt.kvd",
    sha256: SHA,
    bytes: 9,
    tokens: 9,
    rows: 3,
    kept: 0.5,
    warnings: ["short"],
  },
  { document: "c.txt", text: null, failure: { code: "bad-file", message: "no UTF-8" } },
];
const ROUNDS = { sent: { run: RUN, jobs: SHA }, kept: [RUN, "train-0123456789ab"] };
const SENT = { run: RUN, shards: [["a.txt", "b.txt"], ["c.txt"]] };
const ADDRESS = "rediss://user:p%40ss@queue.example:6380/2";

/** What a command that spreads work keeps in its folder, and the queue's address: lines of documents, settings, runs and rounds that were sent. */
export const distributedFiles: Target = {
  name: "distributed-files",
  share: 40,
  open: (scratch) => {
    const file = (name: string, check: (path: string) => Promise<void>) => (bytes: Uint8Array) =>
      filesCase(scratch, { [name]: bytes }, (folder) => check(`${folder}/${name}`));
    const samples = [
      ...LINES.map((line) => ({ tree: treeOf(line), make: (bytes: Uint8Array): Case => bytesCase(bytes, checkLine) })),
      { tree: treeOf(IDENTITY), make: file("compress.json", (path) => checkFolderConfig(path, IDENTITY, true)) },
      { tree: treeOf(ROUNDS), make: file("rounds.json", checkRounds) },
      { tree: treeOf(SENT), make: file("run.json", checkSent) },
    ] as const;
    return Promise.resolve({
      make: (dice) => {
        if (dice.chance(0.1)) return bytesCase(mutateBytes(Buffer.from(ADDRESS), dice), checkAddress);
        const { tree, make } = dice.pick(samples);
        return make(mutateJson(tree, dice));
      },
      edges: function* () {
        for (const { tree, make } of samples)
          for (const bytes of damages(Buffer.from(printTree(tree)))) yield make(bytes);
        for (const bytes of damages(Buffer.from(ADDRESS))) yield bytesCase(bytes, checkAddress);
      },
      close: () => Promise.resolve(),
    });
  },
};

function checkLine(bytes: Uint8Array): void {
  const line = parseDocumentLine(Buffer.from(bytes).toString("utf8"), "documents.jsonl:1");
  must(typeof line.document === "string", "a line without a document");
  if (!("failure" in line)) must(line.kept > 0 && line.kept <= 1 && line.rows >= 1, "facts that are none");
}

async function checkRounds(path: string): Promise<void> {
  const { sent, kept } = await roundMemory(path).recall();
  must(
    [...kept, ...(sent === null ? [] : [sent.run])].every((run) => RUN_NAME.test(run)),
    "not the name of a run",
  );
}

async function checkSent(path: string): Promise<void> {
  const sent = await fileMemory(path).recall();
  must(sent !== undefined && RUN_NAME.test(sent.run) && sent.shards.length > 0, "nothing that was sent");
}

function checkAddress(bytes: Uint8Array): void {
  const { host, port, database, shown } = parseRedisUrl(Buffer.from(bytes).toString("utf8"), {});
  must(host !== "" && port >= 0 && port < 65_536 && Number.isSafeInteger(database) && database >= 0, "no address");
  // What was the password may have become part of the host.
  const rest = shown.replace(host, "");
  must(!rest.includes("p%40ss") && !rest.includes("p@ss") && !rest.includes("@"), "the password is shown");
}
