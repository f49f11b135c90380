import { encodeFloats } from "../../formats/safetensors/float-tensor.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { KvDistillError } from "../../util/errors.ts";
import { type CacheLayer, type KvCache, positionsOf, slotsOf } from "../kv-cache.ts";
import { checkReadableElsewhere } from "./check-readable-elsewhere.ts";

/** How the reading program keeps its cache; it refuses a file that is laid out otherwise. */
export interface LlamaCppLayout {
  /** With flash attention values lie row by row like keys, without it column by column. */
  readonly flashAttention: boolean;
  /** The two halves that a rotation pairs stand side by side in a key, as in GGUF files of architecture `llama`; others keep them apart. */
  readonly interleavedKeys: boolean;
}

const MAGIC = 0x67677371; // "ggsq"
const VERSION = 3;
const F16 = 1;

/**
 * Writes a cache as a llama.cpp sequence state (`llama_state_seq_save_file`, version 3), whole or not at all, readable by its owner only.
 * Keys and values become F16. Cells are labelled with positions so that every one of them is before the next token; the rotations
 * in the keys are those of the tokens' own positions.
 * @returns bytes written
 * @throws KvDistillError `unsupported` without token ids or for heads with different numbers of rows, `not-finite` for a value too large for F16, `disk`, `not-found`
 */
export async function saveLlamaCppState(path: string, cache: KvCache, layout: LlamaCppLayout): Promise<number> {
  if (cache.tokenIds === undefined) {
    throw new KvDistillError("unsupported", "llama.cpp wants the ids of all tokens, which the cache does not hold", {
      where: path,
      hint: "compress the text again, storing its token ids",
    });
  }
  checkReadableElsewhere(cache, path);
  const chunks = [
    uint32s([MAGIC, VERSION, cache.tokenIds.length, ...cache.tokenIds]),
    cellHeader(cache),
    uint32s([layout.flashAttention ? 0 : 1, cache.layers.length]),
    ...cache.layers.map((layer, i) => keyRows(cache, layer, layout, `layer ${i}, keys`)),
    ...cache.layers.map((layer, i) => valueRows(cache, layer, layout, `layer ${i}, values`)),
  ];
  await writeFileAtomic(path, chunks, { mode: 0o600 });
  return chunks.reduce((total, { length }) => total + length, 0);
}

/** One stream; every cell with its position and the one sequence that it belongs to. */
function cellHeader(cache: KvCache): Uint8Array {
  const slots = slotsOf(cache);
  // Heads may keep tokens of their own; a cell has one label. The last one tells llama.cpp where reading continues.
  const labels = Array.from(positionsOf(cache, 0, 0).subarray(0, slots - 1), (position, slot) =>
    Math.min(position, cache.contextLength - slots + slot),
  );
  labels.push(cache.contextLength - 1);
  return uint32s([1, slots, ...labels.flatMap((position) => [position, 1, 0])]);
}

/** Type, bytes of a row, then [slots, heads · headDim]. */
function keyRows(cache: KvCache, { keys }: CacheLayer, { interleavedKeys }: LlamaCppLayout, where: string): Uint8Array {
  const { headDim } = cache;
  const half = headDim / 2;
  const from = (d: number): number => (interleavedKeys ? (d % 2) * half + Math.floor(d / 2) : d);
  const rows = new Float32Array(keys.length);
  eachRow(cache, (head, slot, source, target) => {
    for (let d = 0; d < headDim; d++) rows[target + d] = keys[source + from(d)] ?? 0;
  });
  return Buffer.concat([rowHeader(cache), encodeFloats(rows, "F16", where)]);
}

/** As `keyRows`, or type, bytes of an element, width, then [heads · headDim, slots]. */
function valueRows(cache: KvCache, { values }: CacheLayer, layout: LlamaCppLayout, where: string): Uint8Array {
  const { headDim, numKvHeads } = cache;
  const slots = slotsOf(cache);
  const out = new Float32Array(values.length);
  if (layout.flashAttention) {
    eachRow(cache, (_head, _slot, source, target) => {
      out.set(values.subarray(source, source + headDim), target);
    });
    return Buffer.concat([rowHeader(cache), encodeFloats(out, "F16", where)]);
  }
  eachRow(cache, (head, slot, source) => {
    for (let d = 0; d < headDim; d++) out[(head * headDim + d) * slots + slot] = values[source + d] ?? 0;
  });
  return Buffer.concat([uint32s([F16, 2, numKvHeads * headDim]), encodeFloats(out, "F16", where)]);
}

function eachRow(cache: KvCache, visit: (head: number, slot: number, source: number, target: number) => void): void {
  const { numKvHeads, headDim } = cache;
  const slots = slotsOf(cache);
  for (let head = 0; head < numKvHeads; head++) {
    for (let slot = 0; slot < slots; slot++) {
      visit(head, slot, (head * slots + slot) * headDim, (slot * numKvHeads + head) * headDim);
    }
  }
}

function rowHeader({ numKvHeads, headDim }: KvCache): Uint8Array {
  // The size of a row is a 64-bit number.
  return uint32s([F16, 2 * numKvHeads * headDim, 0]);
}

function uint32s(values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}
