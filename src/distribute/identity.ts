import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { LanguageModel } from "../models/language-model.ts";
import { VERSION } from "../util/version.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "not a sha256");

/** What a job's result depends on beside its own data. A worker of another identity does not touch the job. */
export const identitySchema = z.strictObject({
  package: z.strictObject({ version: z.string(), sha256 }),
  model: z.strictObject({
    /** As the sender calls it: caches and answers bear it. */
    name: z.string(),
    sha256,
    tokenizer: sha256,
    /** In which numbers it computes. */
    precision: z.string(),
  }),
  /** That the engine computes with: how it cuts a product among them decides the order of its sums. */
  threads: z.int().min(1),
});
export type WorkIdentity = Readonly<z.infer<typeof identitySchema>>;

/** What `identityOf` looks at. */
export interface Identified extends Pick<LanguageModel, "files" | "precision"> {
  readonly runtime: Pick<LanguageModel["runtime"], "threads">;
}

export async function identityOf({ files, precision, runtime }: Identified): Promise<WorkIdentity> {
  const { name, hash, tokenizerHash } = files;
  const own = { version: VERSION, sha256: await packageHash() };
  const model = { name, sha256: hash, tokenizer: tokenizerHash, precision };
  return { package: own, model, threads: runtime.threads };
}

/** The same model under the name that a job's sender has for it. */
export function calledAs(model: LanguageModel, name: string): LanguageModel {
  return Object.create(model, { files: { value: { ...model.files, name } } }) as LanguageModel;
}

/** What a worker lacks for a job, one line a part, for people; none when they fit. What each calls its model does not count. */
export function identityFaults(wanted: WorkIdentity, own: WorkIdentity): string[] {
  const differ = (what: string, a: string, b: string, nameA: string, nameB: string): string[] =>
    a === b ? [] : [`${what}: the run has ${nameA} (sha256 ${a.slice(0, 12)}), this is ${nameB} (${b.slice(0, 12)})`];
  return [
    ...differ(
      "package",
      wanted.package.sha256,
      own.package.sha256,
      `kv-distill ${wanted.package.version}`,
      `kv-distill ${own.package.version}`,
    ),
    ...differ("model", wanted.model.sha256, own.model.sha256, wanted.model.name, own.model.name),
    ...(wanted.model.precision === own.model.precision
      ? []
      : [`precision: the run computes in ${wanted.model.precision}, this in ${own.model.precision}`]),
    ...differ("tokenizer", wanted.model.tokenizer, own.model.tokenizer, wanted.model.name, own.model.name),
    ...(wanted.threads === own.threads
      ? []
      : [
          `threads: the run computes with ${wanted.threads}, this with ${own.threads}, and sums would differ: give both the same --threads`,
        ]),
  ];
}

let hashed: Promise<string> | undefined;

/** A hash over the code that runs: the package's description, which pins what it depends on, and every file of sources or build. */
export function packageHash(): Promise<string> {
  hashed ??= hashPackage();
  return hashed;
}

async function hashPackage(): Promise<string> {
  const code = fileURLToPath(new URL("..", import.meta.url));
  const sum = createHash("sha256");
  const names = (await readdir(code, { recursive: true })).filter((name) => /\.(ts|js|json)$/.test(name)).sort();
  for (const name of names) {
    const digest = createHash("sha256").update(await readFile(join(code, name)));
    sum.update(`${name.replaceAll("\\", "/")} ${digest.digest("hex")}\n`);
  }
  return sum.update(await readFile(join(code, "..", "package.json"))).digest("hex");
}
