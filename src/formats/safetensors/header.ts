import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";
import type { SafetensorsLimits } from "./limits.ts";
import { parseTensorInfo, type SafetensorsTensorInfo } from "./tensor-info.ts";

const MAX_METADATA_KEYS = 10_000;

export interface SafetensorsHeader {
  /** In the order of their data. */
  readonly tensors: readonly SafetensorsTensorInfo[];
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Reads the JSON header of a safetensors file (format: huggingface/safetensors README) and checks everything it
 * declares: names unique, every size a product of its shape, the tensors' bytes adjacent and filling the data section.
 * @param json the header's bytes, without the 8-byte length before them
 * @param dataBytes bytes of the file after the header
 * @param where the file, for errors
 * @throws KvDistillError `bad-file`, `too-large` or `unsupported` (an element type this package does not handle).
 */
export function parseSafetensorsHeader(
  json: Uint8Array,
  dataBytes: number,
  where: string,
  limits: SafetensorsLimits,
): SafetensorsHeader {
  const root = parseStrictJson(decodeHeader(json, where), where, {
    maxDepth: 3,
    maxKeys: limits.maxTensors * 4 + MAX_METADATA_KEYS,
  });
  if (!isJsonObject(root)) throw new KvDistillError("bad-file", "the header is not a JSON object", { where });
  const { __metadata__: rawMetadata, ...rawTensors } = root;
  const named = Object.entries(rawTensors);
  if (named.length > limits.maxTensors) {
    throw new KvDistillError("too-large", "too many tensors", {
      where,
      expected: `at most ${limits.maxTensors.toString()}`,
      got: named.length.toString(),
    });
  }
  const tensors = named
    .map(([name, raw]) => parseTensorInfo(name, raw, where, limits.maxRank))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkAdjacent(tensors, dataBytes, where);
  return { tensors, metadata: parseMetadata(rawMetadata, where) };
}

function decodeHeader(json: Uint8Array, where: string): string {
  if (json[0] !== 0x7b) throw new KvDistillError("bad-file", "the header does not begin with {", { where });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch (cause) {
    throw new KvDistillError("bad-file", "the header is not valid UTF-8", { where, cause });
  }
}

/** Every byte of the data section belongs to exactly one tensor; tensors without elements lie between others. */
function checkAdjacent(tensors: readonly SafetensorsTensorInfo[], dataBytes: number, where: string): void {
  let covered = 0;
  for (const tensor of tensors) {
    if (tensor.begin !== covered) {
      throw new KvDistillError("bad-file", "tensors overlap or leave a gap", {
        where: `${where}: tensor ${quote(tensor.name)}`,
        expected: `data from byte ${covered.toString()}`,
        got: `byte ${tensor.begin.toString()}`,
      });
    }
    covered = tensor.end;
  }
  if (covered !== dataBytes) {
    throw new KvDistillError("bad-file", "the file's size differs from its header", {
      where,
      expected: `${covered.toString()} bytes of data`,
      got: dataBytes.toString(),
      ...(covered > dataBytes ? { hint: "the file is cut short: copy or download it again" } : {}),
    });
  }
}

function parseMetadata(raw: unknown, where: string): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>();
  if (raw === undefined) return metadata;
  if (!isJsonObject(raw)) throw new KvDistillError("bad-file", "__metadata__ is not an object", { where });
  for (const [key, value] of Object.entries(raw)) {
    if (typeof value !== "string") {
      throw new KvDistillError("bad-file", "a metadata value is not a string", { where, got: quote(key) });
    }
    metadata.set(key, value);
  }
  return metadata;
}
