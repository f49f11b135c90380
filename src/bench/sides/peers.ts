import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import type { SideCommand } from "./side.ts";

/** A program that the same work is measured on. */
export interface Peer {
  readonly name: string;
  readonly title: string;
  /** Folder below tools/peers/.installed, which tools/peers/setup.mjs makes. */
  readonly program: string;
  readonly variant: string;
  readonly precision: string;
  /** It runs the reference implementation, which is not part of this package. */
  readonly needsReference?: boolean;
}

/** All peers. Which work they are asked for stands in targets/. */
export const PEERS = {
  "torch-fp32": {
    name: "torch-fp32",
    title: "PyTorch float32, reference",
    program: "torch",
    variant: "reference",
    precision: "fp32",
    needsReference: true,
  },
  "torch-bf16": {
    name: "torch-bf16",
    title: "PyTorch bfloat16, reference",
    program: "torch",
    variant: "reference",
    precision: "bf16",
    needsReference: true,
  },
  peft: { name: "peft", title: "transformers + PEFT", program: "torch", variant: "peft", precision: "fp32" },
  transformers: {
    name: "transformers",
    title: "transformers, PyTorch float32",
    program: "torch",
    variant: "transformers",
    precision: "fp32",
  },
  "transformers-js": {
    name: "transformers-js",
    title: "transformers.js float32",
    program: "transformers-js",
    variant: "",
    precision: "fp32",
  },
  "node-llama-cpp": {
    name: "node-llama-cpp",
    title: "node-llama-cpp, GGUF as it came",
    program: "node-llama-cpp",
    variant: "",
    precision: "gguf",
  },
  kvpress: { name: "kvpress", title: "kvpress, SnapKV", program: "kvpress", variant: "snapkv", precision: "fp32" },
} as const satisfies Readonly<Record<string, Peer>>;

export type PeerName = keyof typeof PEERS;
export const PEER_NAMES = Object.keys(PEERS) as PeerName[];

const PEERS_FOLDER = fileURLToPath(new URL("../../../tools/peers/", import.meta.url));
const MAX_MANIFEST_BYTES = 1 << 16;

/** What tools/peers/setup.mjs leaves: how a program is started. */
const manifestSchema = z.strictObject({
  command: z.tuple([z.string()], z.string()),
  environment: z.record(z.string(), z.string()).default({}),
});

/** How a peer is started, or why it cannot be. */
export type PeerStart = { readonly command: SideCommand } | { readonly reason: string };

/**
 * Looks whether a peer is installed.
 * @param folder for tests
 * @throws KvDistillError `bad-file` for a manifest that setup.mjs did not write, `disk`
 */
export async function findPeer(peer: Peer, reference: string | null, folder = PEERS_FOLDER): Promise<PeerStart> {
  if (!(await pathExists(folder))) return { reason: "peers are part of a source checkout (tools/peers)" };
  const manifest = join(folder, ".installed", peer.program, "peer.json");
  if (!(await pathExists(manifest))) {
    return { reason: `not installed: node tools/peers/setup.mjs ${peer.program}` };
  }
  if (peer.needsReference === true && reference === null) {
    return { reason: "the reference implementation's folder is not known: --reference, or KV_DISTILL_REFERENCE" };
  }
  const json = parseStrictJson(await readTextFile(manifest, MAX_MANIFEST_BYTES), manifest, {
    maxDepth: 4,
    maxKeys: 100,
  });
  const found = manifestSchema.safeParse(json);
  if (found.success) return { command: { name: peer.name, ...found.data } };
  throw new KvDistillError("bad-file", "not how a peer is started", {
    where: manifest,
    hint: `install it again: node tools/peers/setup.mjs ${peer.program}`,
  });
}
