import { basename, isAbsolute, resolve } from "node:path";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { quote } from "../../util/quote.ts";
import { isModelName, resolveModel } from "../loading/resolve.ts";
import { KNOWN_MODELS, type KnownModel } from "./known-models.ts";

/** Where a model is to come from. */
export type PullSource =
  | { readonly kind: "package"; readonly model: KnownModel }
  | { readonly kind: "local"; readonly format: "folder" | "gguf"; readonly path: string }
  | { readonly kind: "hub"; readonly repo: string; readonly revision: string };

/**
 * Reads what a person typed: a known name first, then a path that exists, then `org/model` or `org/model@revision` of the
 * Hugging Face hub. `./org/model` is always a path.
 * @throws KvDistillError `not-found` for what is none of them, `bad-argument` for an impossible revision, `bad-file` for a path
 * to something that is no model, `disk`.
 */
export async function parsePullSource(text: string): Promise<PullSource> {
  const model = KNOWN_MODELS.find(({ name }) => name === text);
  if (model !== undefined) return { kind: "package", model };
  if (isPath(text) || (await pathExists(text))) {
    const { kind, path } = await resolveModel(resolve(text));
    return { kind: "local", format: kind, path };
  }
  const hub = parseHubName(text);
  if (hub === undefined) throw unknown(text);
  return { kind: "hub", ...hub };
}

/**
 * `org/name` or `org/name@revision` of the hub; undefined when it is neither.
 * @throws KvDistillError `bad-argument` for an impossible revision.
 */
export function parseHubName(text: string): { readonly repo: string; readonly revision: string } | undefined {
  const at = text.indexOf("@");
  const repo = at === -1 ? text : text.slice(0, at);
  if (!repo.includes("/") || !isRepo(repo)) return undefined;
  return { repo, revision: at === -1 ? "main" : checkRevision(text.slice(at + 1), text) };
}

/** The name under which a source is pulled when the caller gives none; it may be no valid model name. */
export function defaultName(source: PullSource): string {
  switch (source.kind) {
    case "package":
      return source.model.name;
    case "hub":
      return source.repo;
    case "local": {
      // A snapshot in the hub's own cache is named by its commit; its model's name is further up.
      const [, org, model] = /[/\\]models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\][^/\\]+$/.exec(source.path) ?? [];
      if (org !== undefined && model !== undefined) return `${org}/${model}`;
      return basename(source.path).replace(/\.gguf$/i, "");
    }
  }
}

function isPath(text: string): boolean {
  return isAbsolute(text) || /^\.{1,2}([/\\]|$)/.test(text) || /\.gguf$/i.test(text);
}

/** Also names with "--", which the hub takes and a pulled model's own name does not. */
function isRepo(text: string): boolean {
  return isModelName(text.replaceAll("--", "-"));
}

/** A branch, tag or commit; also `refs/pr/1`. */
function checkRevision(revision: string, text: string): string {
  if (/^[A-Za-z0-9][\w./-]{0,199}$/.test(revision) && !revision.includes("..")) return revision;
  throw new KvDistillError("bad-argument", "not a revision", {
    where: quote(text),
    expected: "a branch, a tag or a commit after the @",
    got: quote(revision),
  });
}

function unknown(text: string): KvDistillError {
  return new KvDistillError("not-found", "no such model", {
    where: quote(text),
    expected: `${KNOWN_MODELS.map(({ name }) => name).join(", ")}, org/model of the Hugging Face hub, or a path`,
    hint: "kv-distill pull --list shows the known models",
  });
}
