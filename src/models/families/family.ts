import type { Dim } from "../../graph/dims.ts";
import type { Node } from "../../graph/node.ts";
import type { BaseRows, KeyValues, Reach } from "../../nn/attention.ts";
import type { Lora } from "../../nn/lora.ts";

/** A linear map that adapters may change. */
export interface AdaptedModule {
  /** Path below the layer, as PEFT names it: "self_attn.q_proj". */
  readonly path: string;
  readonly inputs: number;
  readonly outputs: number;
}

/** Adapter of one layer: LoRA by module path, and how much it does to each token, [batch · tokens, 1] each (METHOD section 2). */
export interface LayerAdapter {
  readonly lora: (path: string) => Lora;
  /** Of the query and output adapters: 0 for tokens that are not kept. */
  readonly routed: Node;
  /** Of the key and value adapters, which act on every token. */
  readonly strength: Node;
}

/** What a block needs beside the residual stream. */
export interface BlockContext {
  readonly batch: Dim;
  readonly tokens: Dim;
  /** int64 [batch, tokens]: rows of the rotary tables. */
  readonly rotaryRows: Node;
  /** int64 [rows]: where each row of the residual stream stands among batch · tokens; left out where they are the same. */
  readonly places?: Node;
  /** [rows, headDim / 2] each. */
  readonly cos: Node;
  readonly sin: Node;
  /** What tokens see: [batch, 1, tokens, past + tokens], added to the scores; or how far, for the fused kernel: not with `base`. */
  readonly sight: Node | Reach;
  /** The same as a bias `sight` says, for a forward pass with the fused kernel beside one that can be differentiated. */
  readonly kernel?: Reach | undefined;
  readonly past?: KeyValues;
  /** What the caches began with, where that is apart. */
  readonly base?: BaseRows;
  readonly adapter?: LayerAdapter;
}

export interface BlockResult {
  /** [batch · tokens, hidden] */
  readonly x: Node;
  /** Of the block's own tokens, [batch, kvHeads, tokens, headDim], keys after the position encoding. */
  readonly own: KeyValues;
  /** Before the position encoding, [batch, queryHeads, tokens, headDim]. */
  readonly queries: Node;
  /** Attention probabilities, [batch, kvHeads, queryHeads / kvHeads, tokens, past + tokens]; none where `sight` is a reach. */
  readonly attention: Node | undefined;
  /** What attention gathers as it is differentiated, and the same from the fused kernel; empty without `kernel`. */
  readonly swap: ReadonlyMap<Node, Node>;
}

/** How one model computes, as graph functions. Weights carry their checkpoint names. */
export interface Family {
  /** Path of a layer in the checkpoint, "model.layers.3". */
  readonly layerPath: (layer: number) => string;
  readonly adaptedModules: readonly AdaptedModule[];
  /** The checkpoint has the matrices of those modules as [in, out]. */
  readonly fanInFanOut: boolean;
  /** ids and positions int64 [tokens] -> [tokens, hidden]. */
  readonly embed: (ids: Node, positions: Node) => Node;
  readonly block: (layer: number, x: Node, context: BlockContext) => BlockResult;
  /** [rows, hidden] -> logits [rows, vocabulary]. */
  readonly head: (x: Node) => Node;
}
