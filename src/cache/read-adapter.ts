import type { z } from "zod";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { isJsonObject, parseStrictJson } from "../util/strict-json.ts";
import type { Adapter } from "./adapter.ts";
import { adapterHash } from "./adapter-hash.ts";
import { activeSettings, contradictions, decodeKvDistillJson, kvDistillSchema, peftSchema } from "./adapter-json.ts";
import { checkAdapter, configFaults } from "./check-adapter.ts";
import { type AdapterFiles, readAdapterTensors } from "./read-adapter-tensors.ts";

/** The most that one of an adapter's JSON files may hold. */
export const MAX_JSON_BYTES = 1 << 20;
/** Limits on the headers of its safetensors files. */
export const ADAPTER_LIMITS = { maxHeaderBytes: 16 << 20, maxTensors: 20_000 };

/** The files of an adapter folder, wherever they lie. */
export interface AdapterFolder {
  /** The folder, for errors. */
  readonly where: string;
  /** A JSON file of at most `MAX_JSON_BYTES`, as `parseSmallJson` reads it. */
  json(name: "kv-distill.json" | "adapter_config.json"): Promise<unknown>;
  /** `adapter_model.safetensors` and `scorer.safetensors`, within `ADAPTER_LIMITS`. */
  tensors(): Promise<AdapterFiles>;
}

export interface LoadAdapterOptions {
  /** The model to use the adapter with. */
  readonly expectModel?: { readonly name: string; readonly hash: string };
}

/**
 * Reads and checks an adapter folder (docs/formats/adapter.md), all of it or nothing. Other files in the folder are not looked at.
 * @throws KvDistillError `bad-file` listing all faults of settings and tensors at once; `checksum-mismatch` when a value
 * differs from what was saved; `model-mismatch`; `not-found`, `disk`, `too-large`, `not-finite`, `out-of-memory`.
 */
export async function readAdapter(from: AdapterFolder, { expectModel }: LoadAdapterOptions = {}): Promise<Adapter> {
  const { where: folder } = from;
  const own = await from.json("kv-distill.json");
  if (isJsonObject(own) && !("format" in own)) {
    throw new KvDistillError("bad-file", "a bare adapter: its kv-distill.json does not say what it fits", {
      where: folder,
      hint: "load it as a bare adapter, naming the model that it was made for",
    });
  }
  const settings = kvDistillSchema.safeParse(own);
  const peft = peftSchema.safeParse(await from.json("adapter_config.json"));
  const faults = [...schemaFaults("kv-distill.json", settings), ...schemaFaults("adapter_config.json", peft)];
  if (peft.success) faults.push(...activeSettings(peft.data));
  const config = settings.success ? decodeKvDistillJson(settings.data) : undefined;
  if (config !== undefined) faults.push(...configFaults(config));
  if (config !== undefined && peft.success) faults.push(...contradictions(config, peft.data));
  if (config === undefined || !settings.success || configFaults(config).length > 0) throw wrong(folder, faults);

  const adapter = await readAdapterTensors(folder, await from.tensors(), config, faults);
  checkAdapter(adapter, folder);
  checkHash(adapter, settings.data.adapter_hash, folder);
  if (expectModel !== undefined && expectModel.hash !== config.baseModel.hash) {
    throw new KvDistillError("model-mismatch", "the adapter belongs to another model", {
      where: folder,
      expected: `${expectModel.name} (sha256 ${expectModel.hash})`,
      got: `${config.baseModel.name} (sha256 ${config.baseModel.hash})`,
    });
  }
  return adapter;
}

/**
 * Parses one small JSON file.
 * @throws KvDistillError `too-large`, `bad-file`.
 */
export function parseSmallJson(text: string, where: string): unknown {
  return parseStrictJson(text, where, { maxDepth: 8, maxKeys: 10_000 });
}

/** What a schema found wrong in a file, as `FILE FIELD: MESSAGE`. */
export function schemaFaults(file: string, result: z.ZodSafeParseResult<unknown>): string[] {
  if (result.success) return [];
  return result.error.issues.map((issue) => `${[file, issue.path.join(".")].join(" ").trim()}: ${issue.message}`);
}

function checkHash(adapter: Adapter, expected: string, where: string): void {
  const got = adapterHash(adapter);
  if (got === expected) return;
  throw new KvDistillError("checksum-mismatch", "settings or values differ from those that were saved", {
    where,
    expected,
    got,
    hint: "copy the folder again",
  });
}

function wrong(where: string, faults: readonly string[]): KvDistillError {
  return new KvDistillError("bad-file", "the adapter is wrong", { where, faults: faultList(faults) });
}
