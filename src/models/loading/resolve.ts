import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { diskError, systemCodeOf } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { quote } from "../../util/quote.ts";
import { cacheHome } from "../home.ts";

/** Where a model's files are. */
export interface ModelPlace {
  readonly name: string;
  readonly kind: "folder" | "gguf";
  /** Absolute. */
  readonly path: string;
}

/** A pulled model's folder name: "org/model" of the hub as "org--model". */
export function folderNameFor(name: string): string {
  return name.replaceAll("/", "--");
}

/** Whether a name can be a pulled model's: no path, no hidden folder. */
export function isModelName(name: string): boolean {
  return /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/.test(name) && !name.includes("..") && !name.includes("--");
}

/** Where a pulled model of that name is, or would be. */
export function pulledFolder(name: string): string {
  return join(cacheHome(), "models", folderNameFor(name));
}

/**
 * Finds a model: a pulled one by its name first, else the folder or .gguf file at that path ("./name" is always a path).
 * @throws KvDistillError `not-found`, `bad-file` when neither a folder nor a .gguf file is there, `disk`.
 */
export async function resolveModel(nameOrPath: string): Promise<ModelPlace> {
  if (isModelName(nameOrPath)) {
    const pulled = await pulledModel(nameOrPath);
    if (pulled !== undefined) return pulled;
  }
  const path = resolve(nameOrPath);
  const kind = await kindOf(path);
  if (kind !== undefined) return { name: nameOrPath, kind, path };
  throw new KvDistillError("not-found", "no such model", {
    where: quote(nameOrPath),
    expected: "the name of a pulled model, a Hugging Face folder or a .gguf file",
    hint: isModelName(nameOrPath) ? `kv-distill pull ${nameOrPath}` : "check the path",
  });
}

/** The one file of a pulled model that came as GGUF. */
export const PULLED_GGUF = "model.gguf";

/**
 * A pulled model by its name; undefined when none is there. Its folder holds either a Hugging Face model or model.gguf.
 * @throws KvDistillError `disk`.
 */
export async function pulledModel(name: string): Promise<ModelPlace | undefined> {
  const folder = pulledFolder(name);
  if (!(await pathExists(folder))) return undefined;
  const gguf = join(folder, PULLED_GGUF);
  return (await pathExists(gguf)) ? { name, kind: "gguf", path: gguf } : { name, kind: "folder", path: folder };
}

async function kindOf(path: string): Promise<"folder" | "gguf" | undefined> {
  let facts;
  try {
    facts = await stat(path);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT" || systemCodeOf(error) === "ENOTDIR") return undefined;
    throw diskError(error, path, "cannot look at the path");
  }
  if (facts.isFile() && path.toLowerCase().endsWith(".gguf")) return "gguf";
  if (facts.isDirectory()) return folderKind(path);
  throw new KvDistillError("bad-file", "not a model", {
    where: path,
    expected: "a Hugging Face folder or a .gguf file",
    hint: "only .gguf and .safetensors weights are read, never pickled ones (.bin, .pt)",
  });
}

/** A folder without config.json that holds GGUF files is a likely mistake with a clear way out. */
async function folderKind(path: string): Promise<"folder"> {
  const names = await readdir(path).catch((error: unknown) => {
    throw diskError(error, path, "cannot list the folder");
  });
  const gguf = names.filter((name) => name.toLowerCase().endsWith(".gguf"));
  if (!names.includes("config.json") && gguf.length > 0) {
    throw new KvDistillError("bad-file", "the folder holds GGUF files and no Hugging Face model", {
      where: path,
      got: gguf.join(", "),
      hint: `name the file: ${join(path, gguf[0] ?? "")}`,
    });
  }
  return "folder";
}
