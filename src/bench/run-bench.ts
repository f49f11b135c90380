import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { USUAL_CHOICES } from "../cache/adapter.ts";
import { loadAdapter } from "../cache/load-adapter.ts";
import { saveAdapter } from "../cache/save-adapter.ts";
import { findShippedAdapter } from "../cache/shipped-adapter.ts";
import { familyOf } from "../models/families/index.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { adapterOf, newParameters } from "../train/new-parameters.ts";
import { createRuntime, type Device } from "../runtime/runtime.ts";
import { isKvDistillError, messageOf } from "../util/errors.ts";
import { PACKAGE_NAME_AND_VERSION } from "../util/version.ts";
import { exampleText, madeTriples, readTriples } from "./inputs.ts";
import type { InterleaveOptions } from "./interleave.ts";
import { failedTrial, type FoundSide, NOT_ASKED, runTrial, type TrialResult } from "./run-trial.ts";
import { ourSide } from "./sides/ours.ts";
import { findPeer, PEERS, type PeerName } from "./sides/peers.ts";
import type { OpenRequest, Triple } from "./sides/protocol.ts";
import { startSide } from "./sides/side.ts";
import type { Sizes } from "./sizes.ts";
import { STEP_SETTINGS } from "./step-settings.ts";
import { type TargetName, trialsOf } from "./targets/index.ts";
import type { TargetInputs } from "./targets/target.ts";
import type { TrialEntry } from "./trial.ts";

export interface BenchOptions {
  readonly files: ModelFiles;
  /** The model as GGUF, where it came as one. */
  readonly gguf: string | null;
  readonly targets: readonly TargetName[];
  readonly sizes: Sizes;
  /** Peers to run where they are installed. */
  readonly peers: readonly PeerName[];
  readonly warmups: number;
  readonly repetitions: number;
  readonly device: Device;
  readonly threads: number;
  readonly precision: string;
  /** Folder of the reference implementation. */
  readonly reference: string | null;
  /** Adapter folder, for what compresses; the package's own by default, or an untrained one. */
  readonly adapter: string | null;
  /** File of token triples to train on; made from the example text otherwise. */
  readonly data: string | null;
  /** Seconds without an answer after which a side is given up. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
  readonly onTrial?: (result: TrialResult) => void;
  readonly onTurn?: (trial: string, side: string) => void;
  readonly onNote?: (line: string) => void;
  /** What sides write to stderr. */
  readonly onStderr?: (side: string, line: string) => void;
}

/** Milliseconds between turns. */
const SETTLE = 300;

/**
 * Measures target after target. Processes live as long as a target, so that no other's memory is in the way. A trial in which our own side
 * fails has no figures and says why (`ownFailures`); the others go on.
 * @throws KvDistillError `device-unavailable`, what `loadAdapter` throws for the adapter that is named, and the signal's reason
 */
export async function runBench(options: BenchOptions): Promise<TrialResult[]> {
  return withInputs(options, async (inputs, open) => {
    const results: TrialResult[] = [];
    for (const target of options.targets) {
      const sides = new Sides(options, open);
      try {
        for (const trial of trialsOf(target, inputs)) {
          const interleaving: InterleaveOptions = {
            warmups: options.warmups,
            repetitions: options.repetitions,
            settle: SETTLE,
            ...(options.signal === undefined ? {} : { signal: options.signal }),
            onTurn: (side) => options.onTurn?.(trial.name, side),
          };
          const result = await runTrial(trial, (entry) => sides.find(entry), interleaving).catch(
            async (error: unknown) => {
              if (!isKvDistillError(error) || error.code !== "peer") throw error;
              // A process that failed is gone: the next trial begins with new ones.
              await sides.close();
              return failedTrial(trial, messageOf(error));
            },
          );
          results.push(result);
          options.onTrial?.(result);
        }
      } finally {
        await sides.close();
      }
    }
    return results;
  });
}

/** Makes what trials are made of, in a folder that is gone afterwards. */
export async function withInputs<T>(
  options: BenchOptions,
  work: (inputs: TargetInputs, open: Omit<OpenRequest, "variant" | "precision">) => Promise<T>,
): Promise<T> {
  const { files, sizes, data, device } = options;
  // A missing device is told by this process, whose errors have codes.
  if (device !== "cpu") await (await createRuntime({ device })).close();
  const scratch = await mkdtemp(join(tmpdir(), "kv-distill-bench-"));
  try {
    const text = await exampleText(files);
    const rounds = options.warmups + options.repetitions;
    const pool =
      data === null ? madeTriples(text, rounds * sizes.examples) : await readTriples(data, rounds * sizes.examples);
    const triples = (round: number): readonly Triple[] =>
      pool.slice(round * sizes.examples, (round + 1) * sizes.examples);
    const start = join(scratch, "start");
    await saveStart(files, sizes, start);
    const open = {
      work: "open",
      model: { name: files.name, hash: files.hash, folder: files.folder, gguf: options.gguf },
      threads: options.threads,
      device: options.device,
      reference: options.reference,
      adapter: await compressingAdapter(options, start),
      scratch,
      profile: null,
    } as const;
    return await work({ files, sizes, precision: options.precision, text, triples, start }, open);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Targets whose work needs an adapter. */
const COMPRESSING: readonly TargetName[] = ["compress", "decode-compressed", "first-token", "fold"];

/** The adapter that compresses. An untrained one does as much work. */
async function compressingAdapter(
  { adapter, files, targets, onNote }: BenchOptions,
  untrained: string,
): Promise<string> {
  if (adapter !== null) {
    // A wrong one is told before anything is measured.
    await loadAdapter(adapter, { expectModel: files });
    return adapter;
  }
  const shipped = await findShippedAdapter(files.hash);
  if (shipped === undefined && targets.some((target) => COMPRESSING.includes(target))) {
    onNote?.("no adapter comes with the package for this model: an untrained one compresses");
  }
  return shipped ?? untrained;
}

/** A new adapter, whose matrices B are zero: the adapted model is the base model, on every side. */
async function saveStart({ name, hash, config }: ModelFiles, sizes: Sizes, folder: string): Promise<void> {
  const family = familyOf(config);
  const settings = {
    rank: sizes.rank,
    alpha: STEP_SETTINGS.alpha,
    useRslora: true,
    fanInFanOut: family.fanInFanOut,
    eta: Math.min(STEP_SETTINGS.eta, config.numLayers - 1),
    sinks: STEP_SETTINGS.sinks,
    gate: "sigmoid",
    selection: "shared",
    ...USUAL_CHOICES,
    scorerWidth: config.hiddenSize,
    baseModel: { name, hash },
    targets: {
      layersPath: family.layerPath(0).replace(/\.0$/, ""),
      numLayers: config.numLayers,
      hiddenSize: config.hiddenSize,
      numKvHeads: config.numKvHeads,
      modules: family.adaptedModules,
    },
    createdBy: PACKAGE_NAME_AND_VERSION,
  } as const;
  await saveAdapter(folder, adapterOf(newParameters(settings, 0), settings));
}

/** Processes by name, started when first asked for. */
class Sides {
  private readonly options: BenchOptions;
  private readonly base: Omit<OpenRequest, "variant" | "precision">;
  private readonly found = new Map<string, Promise<FoundSide>>();

  constructor(options: BenchOptions, base: Omit<OpenRequest, "variant" | "precision">) {
    this.options = options;
    this.base = base;
  }

  find({ side, precision }: TrialEntry): Promise<FoundSide> {
    const known = this.found.get(side);
    if (known !== undefined) return known;
    const started = this.start(side, precision ?? this.options.precision);
    this.found.set(side, started);
    return started;
  }

  /** Ends the processes; they can be found again, as new ones. */
  async close(): Promise<void> {
    const all = [...this.found.values()];
    this.found.clear();
    for (const started of all) {
      const found = await started.catch(() => undefined);
      if (found !== undefined && "side" in found) await found.side.close();
    }
  }

  private async start(name: TrialEntry["side"], precision: string): Promise<FoundSide> {
    const { timeout, signal, onStderr, peers, reference } = this.options;
    const environment = {
      OMP_NUM_THREADS: String(this.base.threads),
      HF_HUB_OFFLINE: "1",
      TRANSFORMERS_OFFLINE: "1",
      TOKENIZERS_PARALLELISM: "false",
    };
    const sideOptions = {
      timeout,
      ...(signal === undefined ? {} : { signal }),
      onStderr: (line: string) => onStderr?.(name, line),
    };
    if (!isPeer(name)) {
      const open = { ...this.base, variant: "", precision };
      return { side: await startSide({ ...ourSide(name), environment }, open, sideOptions) };
    }
    if (!peers.includes(name)) return { reason: NOT_ASKED };
    const peer = PEERS[name];
    const start = await findPeer(peer, reference);
    if ("reason" in start) return start;
    const command = { ...start.command, environment: { ...environment, ...start.command.environment } };
    const open = { ...this.base, variant: peer.variant, precision: peer.precision };
    try {
      return { side: await startSide(command, open, sideOptions) };
    } catch (error) {
      if (isKvDistillError(error) && error.code === "peer") return { reason: messageOf(error) };
      throw error;
    }
  }
}

const isPeer = (name: string): name is PeerName => name in PEERS;
