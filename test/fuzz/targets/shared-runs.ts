import { join } from "node:path";
import { findRuns, type FoundRun } from "../../../src/server/shared-runs/find-runs.ts";
import { runFacts } from "../../../src/server/shared-runs/run-facts.ts";
import { parseTrainConfig } from "../../../src/train/config.ts";
import { mutateBytes } from "../make/bytes.ts";
import { damagedFiles, type Files, filesCase } from "../make/case.ts";
import { printTree, type Tree, treeOf } from "../make/json-tree.ts";
import { mutateJson } from "../make/text.ts";
import { EVALUATION, TRAINING_RUN } from "../samples/runs.ts";
import { must, type Target } from "../target.ts";

/** Folders of runs as the server tells of them: a damaged one has a fault and hides no other. */
export const sharedRuns: Target = {
  name: "shared-runs",
  share: 20,
  open: (scratch) => {
    const point = { step: 1, loss: 1, forwardKl: 0.5, reverseKl: 0.5 };
    const trees: Readonly<Record<string, Tree>> = {
      "trained/run.json": treeOf(TRAINING_RUN),
      "trained/config.json": treeOf(parseTrainConfig({ steps: 9 })),
      "trained/metrics.jsonl": treeOf(point),
      "measured/config.json": treeOf(EVALUATION),
    };
    const files: Files = {
      ...Object.fromEntries(Object.entries(trees).map(([name, tree]) => [name, Buffer.from(printTree(tree))])),
      "measured/samples.jsonl": Buffer.from(""),
    };
    const make = (given: Files) => filesCase(scratch, given, check);
    return Promise.resolve({
      make: (dice) => {
        const name = dice.pick(Object.keys(trees));
        const bytes = mutateJson(trees[name] ?? treeOf({}), dice);
        return make({ ...files, [name]: dice.chance(0.1) ? mutateBytes(bytes, dice) : bytes });
      },
      edges: function* () {
        for (const name of Object.keys(trees)) for (const damaged of damagedFiles(files, name)) yield make(damaged);
      },
      close: () => Promise.resolve(),
    });
  },
};

async function check(folder: string): Promise<void> {
  const { runs } = await findRuns(folder);
  must(
    runs
      .map(({ name }) => name)
      .sort()
      .join() === "measured,trained",
    "a run is missing",
  );
  for (const run of runs) await checkFacts(run, folder);
}

async function checkFacts(run: FoundRun, folder: string): Promise<void> {
  const facts = await runFacts(run);
  must(facts.kind === run.kind, "another kind");
  must(!JSON.stringify(facts).includes(join(folder, run.name)), "a path of this machine is told");
  must((facts.fault ?? "").length < 40_000, "a fault without end");
  if (facts.kind === "training") must(facts.fault !== undefined || Number.isSafeInteger(facts.step), "no step");
  else for (const keep of facts.keeps ?? []) must(typeof keep === "number", "a keep that is no number");
}
