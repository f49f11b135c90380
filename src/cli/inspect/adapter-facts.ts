import { type Adapter, scoreColumns } from "../../cache/adapter.ts";
import { adapterHash } from "../../cache/adapter-hash.ts";
import { adapterArrays } from "../../cache/adapter-tensors.ts";
import { formatCount } from "../../util/format.ts";

/** What an adapter folder holds, as `inspect --json` prints it. */
export type AdapterFacts = ReturnType<typeof adapterFacts>;

export function adapterFacts(path: string, adapter: Adapter) {
  const { config } = adapter;
  const { targets } = config;
  return {
    kind: "adapter",
    path,
    model: { name: config.baseModel.name, sha256: config.baseModel.hash },
    rank: config.rank,
    alpha: config.alpha,
    rankStabilised: config.useRslora,
    eta: config.eta,
    sinks: config.sinks,
    gate: config.gate,
    sinkGate: config.sinkGate,
    selection: config.selection,
    routing: config.routing,
    foldPositions: config.foldPositions,
    foldCut: config.foldCut,
    readPositions: config.readPositions,
    restRows: config.restRows,
    strengthExponent: config.strengthExponent,
    scorer: { norm: config.scorerNorm, activation: config.scorerActivation, width: config.scorerWidth },
    layers: targets.numLayers,
    hiddenSize: targets.hiddenSize,
    modules: targets.modules.map(({ path: module }) => module),
    scoresPerToken: scoreColumns(config),
    parameters: adapterArrays(adapter).reduce((sum, { values }) => sum + (values?.length ?? 0), 0),
    createdBy: config.createdBy,
    sha256: adapterHash(adapter),
  } as const;
}

/** The same for people, as names and values. */
export function adapterRows(facts: AdapterFacts): [name: string, value: string][] {
  const { scorer } = facts;
  return [
    ["adapter", facts.path],
    ["model", facts.model.name],
    ["model hash", facts.model.sha256],
    ["LoRA", `rank ${facts.rank}, alpha ${facts.alpha}${facts.rankStabilised ? ", rank-stabilised" : ""}`],
    ["modules", `${facts.modules.join(", ")}; in ${facts.layers} layers`],
    [
      "scorer",
      `blocks in front: ${facts.eta}, norm: ${scorer.norm}, ${scorer.activation} of ${scorer.width}, scores of a token: ${formatCount(facts.scoresPerToken)}`,
    ],
    ["selection", facts.selection],
    ["routing", `queries and outputs of ${facts.routing === "kept" ? "kept tokens" : "all tokens"}`],
    ["strength", `(1 - kept part) to the power ${facts.strengthExponent}`],
    ["gate", facts.gate],
    ["sinks", `${facts.sinks}, ${facts.sinkGate === "one" ? "without a gate" : "with a gate"}`],
    [
      "folds",
      `${facts.foldCut === "even" ? "equally long" : "full but the last"}, at positions ${facts.foldPositions === "context" ? "in the context" : "from 0"}`,
    ],
    ["reading goes on", facts.readPositions === "context" ? "after the context" : "at the number of kept rows"],
    ["rows for the rest", facts.restRows === 0 ? "none" : `up to ${facts.restRows} of every head, of each fold`],
    ["parameters", formatCount(facts.parameters)],
    ["made by", facts.createdBy],
    ["adapter hash", facts.sha256],
  ];
}
