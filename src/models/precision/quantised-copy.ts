import { dirname, join } from "node:path";
import { openSafetensors } from "../../formats/safetensors/open.ts";
import { type TensorSource, writeSafetensors } from "../../formats/safetensors/write.ts";
import type { ExternalData } from "../../graph/onnx/writer.ts";
import type { Runtime } from "../../runtime/runtime-over.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { writeFolderAtomic } from "../../util/atomic-folder.ts";
import { requireRoom } from "../../util/disk-room.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { cacheFolder } from "../home.ts";
import type { ModelFiles } from "../model-files.ts";
import type { ModelReporter } from "../progress.ts";
import { stepGraph } from "../step-graph.ts";
import type { RoundedPrecision } from "./precision.ts";
import { BLOCK_SIZE, quantise, type QuantisedMatrix } from "./quantise.ts";
import { largestInputs } from "./calibrate.ts";
import { type EightBitMatrix, eightBitMatrix, type EightBits } from "./eight-bit.ts";
import { eightBitGraph, eightBitNames, type EightBitPlan } from "./eight-bit-graph.ts";
import { exactEightBits } from "./probe-products.ts";
import { readMatrix, readWeight } from "./read-matrix.ts";
import { readingPlan } from "./reading-plan.ts";
import { type MatrixSpec, quantisableMatrices } from "./products.ts";
import { partNames, quantisedGraph } from "./quantised-graph.ts";

/** What steps are computed with. */
export interface QuantisedWeights {
  readonly precision: RoundedPrecision;
  /** Folder that the engine maps the file from. */
  readonly folder: string;
  /** Every weight of the quantised step graphs. */
  readonly weights: ReadonlyMap<string, ExternalData>;
  /** Of matrices in blocks, for short steps. */
  readonly bitsOf: (spec: MatrixSpec) => 4 | 8;
  /** Of products of 8 bits, for long steps; undefined where those are float32. */
  readonly long: LongSteps | undefined;
}

export interface LongSteps {
  readonly type: EightBits;
  readonly planOf: (spec: MatrixSpec) => EightBitPlan | undefined;
}

/** Parts of the copies' names: raised when they are made in another way. */
const VERSIONS = { int8: 3, int4: 1 } as const;
const FILE = "weights.safetensors";

/**
 * The copy of a model's weights with matrices in 4 or 8 bits, in the cache folder, made on first use. In blocks, for short steps, the output matrix has 8
 * bits in either: it decides between words that are nearly as likely. For long steps, at int8, the reading plan tells which matrices stay float32.
 * @throws KvDistillError `disk`, also when there is too little room; `unsupported` for a model without files, or whose matrices
 * are no multiple of a block wide
 */
export async function quantisedCopy(
  files: ModelFiles,
  precision: RoundedPrecision,
  runtime: Runtime,
  reporter: ModelReporter = {},
): Promise<QuantisedWeights> {
  const { vocabSize } = files.config;
  const bitsOf = ({ rows }: MatrixSpec): 4 | 8 => (precision === "int8" || rows === vocabSize ? 8 : 4);
  const long =
    precision === "int8"
      ? {
          type: await exactEightBits(runtime),
          planOf: readingPlan(files.config),
        }
      : undefined;
  const name = `${files.hash}-${precision}${long?.type === "uint8" ? "-unsigned" : ""}-${VERSIONS[precision]}`;
  const folder = join(await cacheFolder("quantised"), name);
  if (!(await pathExists(join(folder, FILE)))) await writeCopy(files, folder, { bitsOf, long }, runtime, reporter);
  const { entries } = await openSafetensors(join(folder, FILE));
  const weights = new Map<string, ExternalData>();
  for (const [name, { offset, shape }] of entries) weights.set(name, { file: FILE, offset, dims: shape });
  return { precision, folder, weights, bitsOf, long };
}

async function writeCopy(
  files: ModelFiles,
  folder: string,
  { bitsOf, long }: Pick<QuantisedWeights, "bitsOf" | "long">,
  runtime: Runtime,
  { onProgress }: ModelReporter,
): Promise<void> {
  const graph = stepGraph(files.config, { result: "logits" });
  const specs = quantisableMatrices(graph);
  if (specs.size === 0) {
    throw new KvDistillError("unsupported", "no matrix of the model divides into blocks", {
      where: files.name,
      expected: `rows of a multiple of ${BLOCK_SIZE} numbers`,
      hint: "use precision fp32",
    });
  }
  const graphs = [quantisedGraph(graph, bitsOf), ...(long ? [eightBitGraph(graph, long.planOf, long.type)] : [])];
  const named = graphs.flatMap(({ weights }) => weights.map(({ attributes }) => attributes.name));
  const plain = [...new Set(named)].filter((name) => files.weights.has(name));
  const kept = long && (await largestInputs(files, runtime));
  const tensors = [
    ...plain.map((name) => plainTensor(files, name)),
    ...[...specs.values()].flatMap((spec) => quantisedTensors(files, spec, bitsOf(spec))),
    ...[...specs.values()].flatMap((spec) => {
      const plan = long?.planOf(spec);
      if (long === undefined || plan === undefined) return [];
      return eightBitTensors(files, spec, plan, kept?.get(spec.name) ?? [], long.type);
    }),
  ];
  const total = tensors.reduce((sum, tensor) => sum + tensor.size, 0);
  await requireRoom(dirname(folder), total, "the quantised weights");
  let done = 0;
  const reported = tensors.map(({ size, ...tensor }) => ({
    ...tensor,
    bytes: async () => {
      const bytes = await tensor.bytes();
      done += size;
      onProgress?.({ step: "quantise", item: files.name, done, total });
      return bytes;
    },
  }));
  await writeFolderAtomic(folder, (target) => writeSafetensors(join(target, FILE), reported)).catch(
    async (error: unknown) => {
      // Another process may have made the same copy meanwhile: it is as good.
      if (!(await pathExists(join(folder, FILE)))) throw error;
    },
  );
}

type SizedTensor = TensorSource & { readonly size: number };

function plainTensor(files: ModelFiles, name: string): SizedTensor {
  const shape = files.weights.get(name)?.dims ?? [];
  const bytes = async (): Promise<Uint8Array> => new Uint8Array((await readWeight(files, name)).buffer);
  return { name, dtype: "F32", shape, bytes, size: 4 * elementCount(shape) };
}

/** The parts of one matrix. They lie apart in the file: the matrix is quantised for each anew, so that no more than one is held. */
function quantisedTensors(files: ModelFiles, spec: MatrixSpec, bits: 4 | 8): SizedTensor[] {
  const { name, rows, columns } = spec;
  const names = partNames(name);
  const blocks = columns / BLOCK_SIZE;
  const part = (pick: (matrix: QuantisedMatrix) => Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer> | undefined) => {
    return async () =>
      new Uint8Array(pick(quantise(await readMatrix(files, spec), bits))?.buffer ?? new ArrayBuffer(0));
  };
  const numbers = { dtype: "F32", size: 4 * rows * blocks } as const;
  const bytes = (BLOCK_SIZE * bits) / 8;
  const shape = [rows, blocks, bytes];
  return [
    { name: names.packed, dtype: "U8", shape, bytes: part(({ packed }) => packed), size: rows * blocks * bytes },
    { ...numbers, name: names.scales, shape: [rows * blocks], bytes: part(({ scales }) => scales) },
    ...(bits === 4
      ? [{ ...numbers, name: names.floors, shape: [rows, blocks], bytes: part(({ floors }) => floors) }]
      : []),
  ];
}

/** The parts of a matrix of 8 bits a number, likewise. */
function eightBitTensors(
  files: ModelFiles,
  spec: MatrixSpec,
  { name, kept: count, rotated }: EightBitPlan,
  kept: readonly number[],
  type: EightBits,
): SizedTensor[] {
  const { rows, columns } = spec;
  const names = eightBitNames(name);
  const part = (pick: (matrix: EightBitMatrix) => Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>) => async () =>
    new Uint8Array(pick(eightBitMatrix(await readMatrix(files, spec), rows, kept, type, rotated)).buffer);
  const places = BigInt64Array.from(kept, BigInt);
  const others = Float32Array.from({ length: columns }, (_, i) => (kept.includes(i) ? 0 : 1));
  const dtype = type === "int8" ? "I8" : "U8";
  const tensorOf = (own: Omit<TensorSource, "name">, partName: string, bytes: number): SizedTensor => ({
    ...own,
    name: partName,
    size: elementCount(own.shape) * bytes,
  });
  return [
    tensorOf({ dtype, shape: [columns, rows], bytes: part(({ values }) => values) }, names.values, 1),
    tensorOf({ dtype: "F32", shape: [rows], bytes: part(({ scales }) => scales) }, names.scales, 4),
    tensorOf({ dtype: "F32", shape: [rows, count], bytes: part((matrix) => matrix.kept) }, names.kept, 4),
    tensorOf({ dtype: "I64", shape: [count], bytes: () => new Uint8Array(places.buffer) }, names.places, 8),
    tensorOf({ dtype: "F32", shape: [columns], bytes: () => new Uint8Array(others.buffer) }, names.others, 4),
  ];
}
