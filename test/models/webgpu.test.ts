import { beforeAll, describe, expect, test } from "vitest";
import { placementsIn, type SessionPlacement } from "../runtime/placements.ts";
import { ADAPTER_TIMEOUT, missingAdapter, needsAdapter, runOnAdapter } from "../runtime/software-adapter.ts";

/** Of the largest number of each result. Seen: 1.4e-6 at most. */
const TOLERANCE = 1e-5;
/** Names of the int64 nodes that compute shapes, made in src/graph/onnx/shape-tensors.ts; all other nodes compute the model. */
const SHAPE_ARITHMETIC = /^%(shape|dim|Mul|Add)\b/;
const [CPU, WEBGPU] = ["CPUExecutionProvider", "WebGpuExecutionProvider"];

const SELECTIONS = ["per-head", "across-heads"];

/** What webgpu-child.ts prints, by model. */
type Printed = Readonly<
  Record<string, { readonly differences: Readonly<Record<string, number>>; readonly programs: readonly string[] }>
>;
let printed: Printed = {};
let sessions: readonly SessionPlacement[] = [];
beforeAll(async () => {
  if (missingAdapter !== undefined) return;
  const output = await runOnAdapter("webgpu-child.ts", import.meta.url);
  printed = output.printed as Printed;
  sessions = placementsIn(output.stderr);
}, 2 * ADAPTER_TIMEOUT);

describe("inference on WebGPU, on a software adapter", () => {
  test.for(["llama", "qwen3", "gpt2"])("%s: every result is that of the CPU", (name, context) => {
    needsAdapter(context);
    const differences = Object.entries(printed[name]?.differences ?? {});
    expect(differences.map(([what]) => what)).toEqual([
      "prefill",
      "rows of the prefill",
      "decode step 0 on a gapped cache",
      "decode step 1 on a gapped cache",
      "decode step 2 on a gapped cache",
      "attention received, sum",
      "attention received, max",
      ...SELECTIONS.flatMap((selection) =>
        ["scores", "kept positions", "encoded rows", "read from the compressed cache"].map(
          (what) => `${selection}: ${what}`,
        ),
      ),
    ]);
    for (const [what, difference] of differences) expect(difference, what).toBeLessThan(TOLERANCE);
    for (const selection of SELECTIONS) expect(printed[name]?.differences[`${selection}: kept positions`]).toBe(0);
  });

  test("WebGPU computes everything but shapes", (context) => {
    needsAdapter(context);
    const programs = Object.values(printed).flatMap((model) => model.programs);
    expect(sessions).toHaveLength(programs.length);
    for (const [i, { counts, nodes }] of sessions.entries()) {
      expect(counts[WEBGPU], programs[i]).toBeGreaterThan(0);
      const elsewhere = nodes.filter(({ provider }) => provider !== WEBGPU);
      expect(elsewhere, programs[i]).toHaveLength(counts[CPU] ?? 0);
      expect(
        elsewhere.filter(({ node }) => !SHAPE_ARITHMETIC.test(node)),
        programs[i],
      ).toEqual([]);
    }
  });
});
