import { z } from "zod";
import { boundedList } from "../util/bounded-list.ts";
import { quote } from "../util/quote.ts";
import {
  ADAPTER_ROUTINGS,
  ADAPTER_SELECTIONS,
  type AdapterConfig,
  FOLD_CUTS,
  FOLD_POSITIONS,
  MOST_REST_ROWS,
  READ_POSITIONS,
  SCORER_ACTIVATIONS,
  SCORER_NORMS,
  SINK_GATES,
  USUAL_CHOICES,
} from "./adapter.ts";

export const ADAPTER_FORMAT = "kv-distill-adapter";
export const ADAPTER_VERSION = 1;

const count = z
  .int()
  .min(1)
  .max(2 ** 20);
const MOST_EXPONENT = 16;
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "not a sha256");

/** `kv-distill.json`: what PEFT's file has no place for, and a hash over everything. */
export const kvDistillSchema = z.strictObject({
  format: z.literal(ADAPTER_FORMAT),
  format_version: z.literal(ADAPTER_VERSION),
  eta: count,
  sinks: z
    .int()
    .min(0)
    .max(2 ** 20),
  gate: z.enum(["sigmoid", "straight-through"]),
  selection: z.enum(ADAPTER_SELECTIONS),
  strength_exponent: z.number().min(0).max(MOST_EXPONENT).optional(),
  sink_gate: z.enum(SINK_GATES).optional(),
  routing: z.enum(ADAPTER_ROUTINGS).optional(),
  fold_positions: z.enum(FOLD_POSITIONS).optional(),
  fold_cut: z.enum(FOLD_CUTS).optional(),
  read_positions: z.enum(READ_POSITIONS).optional(),
  rest_rows: z.int().min(0).max(MOST_REST_ROWS).optional(),
  scorer_norm: z.enum(SCORER_NORMS).optional(),
  scorer_activation: z.enum(SCORER_ACTIVATIONS).optional(),
  scorer_width: count.optional(),
  rank: count,
  alpha: z.number().positive(),
  use_rslora: z.boolean(),
  fan_in_fan_out: z.boolean(),
  base_model: z.strictObject({ name: z.string().min(1), hash: sha256 }),
  layers_path: z.string(),
  num_layers: count,
  hidden_size: count,
  num_kv_heads: count,
  modules: boundedList(z.strictObject({ path: z.string(), inputs: count, outputs: count }), { least: 1 }),
  adapter_hash: sha256,
  created_by: z.string().min(1),
});
export type KvDistillJson = z.infer<typeof kvDistillSchema>;

/**
 * `adapter_config.json` as PEFT reads it. The fields of the second group do not change what a trained adapter computes.
 * See `activeSettings` for all others.
 */
export const peftSchema = z.looseObject({
  peft_type: z.literal("LORA"),
  r: count,
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().default(false),
  fan_in_fan_out: z.boolean().default(false),
  bias: z.literal("none").default("none"),
  target_modules: boundedList(z.string()),

  task_type: z.string().nullish(),
  base_model_name_or_path: z.string().nullish(),
  revision: z.string().nullish(),
  lora_dropout: z.number().optional(),
  inference_mode: z.boolean().optional(),
  init_lora_weights: z.union([z.boolean(), z.literal("gaussian")]).optional(),
  peft_version: z.string().nullish(),
  auto_mapping: z.unknown().optional(),
  megatron_core: z.string().nullish(),
  qalora_group_size: z.number().nullish(),
});
export type PeftJson = z.infer<typeof peftSchema>;

/** PEFT settings beyond the schema that are not off (null, false, empty): they change what is computed. */
export function activeSettings(peft: PeftJson): string[] {
  return Object.entries(peft)
    .filter(([key, value]) => !Object.hasOwn(peftSchema.shape, key) && !isOff(value))
    .map(
      ([key, value]) => `adapter_config.json ${quote(key)} is ${quote(JSON.stringify(value))}, which is not handled`,
    );
}

function isOff(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === null || value === false;
}

type LaterSettings = Pick<
  KvDistillJson,
  | "strength_exponent"
  | "sink_gate"
  | "routing"
  | "fold_positions"
  | "fold_cut"
  | "read_positions"
  | "rest_rows"
  | "scorer_norm"
  | "scorer_activation"
  | "scorer_width"
>;

/** Settings that the first adapters had none of, in order: file and hash leave out what is as usual. */
export function laterSettings(config: AdapterConfig): LaterSettings {
  const usual = { ...USUAL_CHOICES, scorerWidth: config.targets.hiddenSize };
  const own = (name: keyof LaterSettings, key: keyof typeof usual) =>
    config[key] === usual[key] ? {} : { [name]: config[key] };
  return {
    ...own("strength_exponent", "strengthExponent"),
    ...own("sink_gate", "sinkGate"),
    ...own("routing", "routing"),
    ...own("fold_positions", "foldPositions"),
    ...own("fold_cut", "foldCut"),
    ...own("read_positions", "readPositions"),
    ...own("rest_rows", "restRows"),
    ...own("scorer_norm", "scorerNorm"),
    ...own("scorer_activation", "scorerActivation"),
    ...own("scorer_width", "scorerWidth"),
  };
}

/** `kv-distill.json` of an adapter. */
export function encodeKvDistillJson(config: AdapterConfig, hash: string): KvDistillJson {
  const { targets } = config;
  return {
    format: ADAPTER_FORMAT,
    format_version: ADAPTER_VERSION,
    eta: config.eta,
    sinks: config.sinks,
    gate: config.gate,
    selection: config.selection,
    ...laterSettings(config),
    rank: config.rank,
    alpha: config.alpha,
    use_rslora: config.useRslora,
    fan_in_fan_out: config.fanInFanOut,
    base_model: { name: config.baseModel.name, hash: config.baseModel.hash },
    layers_path: targets.layersPath,
    num_layers: targets.numLayers,
    hidden_size: targets.hiddenSize,
    num_kv_heads: targets.numKvHeads,
    modules: targets.modules.map(({ path, inputs, outputs }) => ({ path, inputs, outputs })),
    adapter_hash: hash,
    created_by: config.createdBy,
  };
}

/** The settings that `encodeKvDistillJson` wrote. */
export function decodeKvDistillJson(json: KvDistillJson): AdapterConfig {
  return {
    rank: json.rank,
    alpha: json.alpha,
    useRslora: json.use_rslora,
    fanInFanOut: json.fan_in_fan_out,
    eta: json.eta,
    sinks: json.sinks,
    gate: json.gate,
    selection: json.selection,
    strengthExponent: json.strength_exponent ?? USUAL_CHOICES.strengthExponent,
    sinkGate: json.sink_gate ?? USUAL_CHOICES.sinkGate,
    routing: json.routing ?? USUAL_CHOICES.routing,
    foldPositions: json.fold_positions ?? USUAL_CHOICES.foldPositions,
    foldCut: json.fold_cut ?? USUAL_CHOICES.foldCut,
    readPositions: json.read_positions ?? USUAL_CHOICES.readPositions,
    restRows: json.rest_rows ?? USUAL_CHOICES.restRows,
    scorerNorm: json.scorer_norm ?? USUAL_CHOICES.scorerNorm,
    scorerActivation: json.scorer_activation ?? USUAL_CHOICES.scorerActivation,
    scorerWidth: json.scorer_width ?? json.hidden_size,
    baseModel: json.base_model,
    targets: {
      layersPath: json.layers_path,
      numLayers: json.num_layers,
      hiddenSize: json.hidden_size,
      numKvHeads: json.num_kv_heads,
      modules: json.modules,
    },
    createdBy: json.created_by,
  };
}

/** `adapter_config.json` of an adapter. */
export function encodePeftJson(config: AdapterConfig): Readonly<Record<string, unknown>> {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: config.baseModel.name,
    r: config.rank,
    lora_alpha: config.alpha,
    lora_dropout: 0,
    use_rslora: config.useRslora,
    fan_in_fan_out: config.fanInFanOut,
    bias: "none",
    target_modules: config.targets.modules.map(({ path }) => path),
    modules_to_save: null,
    init_lora_weights: true,
    inference_mode: true,
  };
}

/** Where the two files of one adapter contradict each other. */
export function contradictions(config: AdapterConfig, peft: PeftJson): string[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ["r", peft.r, config.rank],
    ["lora_alpha", peft.lora_alpha, config.alpha],
    ["use_rslora", peft.use_rslora, config.useRslora],
    ["fan_in_fan_out", peft.fan_in_fan_out, config.fanInFanOut],
    ["target_modules", sorted(peft.target_modules), sorted(config.targets.modules.map(({ path }) => path))],
  ];
  return pairs
    .filter(([, found, expected]) => found !== expected)
    .map(([name, found, expected]) => `adapter_config.json ${name} is ${String(found)}, not ${String(expected)}`);
}

function sorted(names: readonly string[]): string {
  return [...names].sort().join(", ");
}
