import { copyOf } from "../tensor/bytes.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { Channel } from "./channel.ts";
import { allocating } from "./engine-error.ts";
import { checkFeeds } from "./feeds.ts";
import type { Feed, Signature } from "./messages.ts";
import type { Resident, Residents } from "./residents.ts";

export type Feeds = Readonly<Record<string, Tensor | Resident>>;

/** What a run gives when some outputs stay in the worker. */
export interface KeptRun {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly residents: Readonly<Record<string, Resident>>;
}

/**
 * A loaded ONNX graph.
 *
 * Runs fail with `bad-argument` for missing or unknown names, `shape-mismatch` for element types and shapes (all faults
 * at once, before ONNX Runtime sees them), `out-of-memory`, `engine`, and `cancelled` when the runtime is closed meanwhile.
 * The feeds' arrays are copied during the call and may be reused as soon as it returns its promise.
 */
export interface Program {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** All outputs, in memory of their own. */
  run(feeds: Feeds): Promise<Readonly<Record<string, Tensor>>>;
  /** The same, but the outputs named in `keep` stay in the worker. */
  runKeeping(feeds: Feeds, keep: readonly string[]): Promise<KeptRun>;
  /** Frees the session; may be called again. Runs asked for before are done first. */
  close(): Promise<void>;
}

export interface ProgramFacts {
  readonly where: string;
  readonly programId: number;
  readonly signature: Signature;
}

export function createProgram(
  channel: Channel,
  table: Residents,
  { where, programId, signature }: ProgramFacts,
): Program {
  const inputs = signature.inputs.map(({ name }) => name);
  const outputs = signature.outputs.map(({ name }) => name);
  let closed: Promise<void> | undefined;

  async function runKeeping(feeds: Feeds, keep: readonly string[]): Promise<KeptRun> {
    if (closed !== undefined) throw new KvDistillError("bad-argument", "the program is closed", { where });
    checkFeeds(where, signature.inputs, feeds);
    checkKeep(where, outputs, keep);
    const sent = Object.fromEntries(inputs.map((name) => [name, feedOf(feeds, name)]));
    const ids = new Map(keep.map((name) => [name, table.newId()]));
    const transfer = Object.values(sent).flatMap((feed) => ("data" in feed ? [feed.data.buffer] : []));
    const request = { programId, feeds: sent, keep: Object.fromEntries(ids) };
    const { tensors, kept } = await channel.call("run", request, { where, transfer });
    const residents: Record<string, Resident> = {};
    for (const [name, id] of ids) {
      const type = kept[name];
      if (type !== undefined) residents[name] = table.handle(id, type);
    }
    return { outputs: tensors, residents };
  }

  function feedOf(feeds: Feeds, name: string): Feed {
    const feed = feeds[name];
    if (feed === undefined) throw new KvDistillError("bad-argument", "missing", { where: `${where}, ${name}` });
    if (!("data" in feed)) return { residentId: table.idOf(feed, `${where}, ${name}`) };
    return allocating(where, feed.data.byteLength, () => copyOf(feed));
  }

  return {
    inputs,
    outputs,
    run: async (feeds) => (await runKeeping(feeds, [])).outputs,
    runKeeping,
    close: () => {
      closed ??= channel.free("unload", { programId });
      return closed;
    },
  };
}

function checkKeep(where: string, outputs: readonly string[], keep: readonly string[]): void {
  const faults = keep
    .filter((name) => !outputs.includes(name))
    .map((name) => `${name}: no such output; there are ${outputs.join(", ")}`);
  if (faults.length > 0) throw new KvDistillError("bad-argument", "cannot keep these outputs", { where, faults });
}
