import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findRuns, RUN_ID } from "../../src/server/shared-runs/find-runs.ts";
import { useTinyModel } from "../compress/tiny.ts";
import { writeRun } from "../evaluate/report/stored-run.ts";
import { writeTrainingRun } from "../page/training-run.ts";
import { useTinyServers } from "./tiny-server.ts";

const { model } = useTinyModel("llama");
const server = useTinyServers(model);

/** A report is made in a thread, which takes its time to start from sources. */
const TIME = 120_000;

let root = "";
let runs = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kv-distill-runs-"));
  runs = join(root, "shared");
  await writeRun(join(runs, "evaluations", "first"));
  await writeTrainingRun(join(runs, "trained"), 3, 8);
  await writeTrainingRun(join(runs, "trained", "inside"), 1, 2);
  await writeTrainingRun(join(runs, ".hidden"), 1, 2);
  await writeTrainingRun(join(root, "elsewhere"), 1, 2);
  await symlink(join(root, "elsewhere"), join(runs, "link"));
  await mkdir(join(runs, "broken"));
  await writeFile(join(runs, "broken", "run.json"), "{");
  await mkdir(join(runs, "begun"));
  await writeFile(join(runs, "begun", "samples.jsonl"), "");
  await writeFile(join(runs, "begun", "config.json"), JSON.stringify({ identity: { task: "squad", config: {} } }));
  await mkdir(join(runs, "empty"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Listed {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly step?: number;
  readonly finished?: boolean;
  readonly fault?: string;
  readonly model?: string;
}

test("finds runs below a folder, not behind links, not hidden, not inside runs", async () => {
  const { runs: found, more } = await findRuns(runs);
  expect(found.map(({ name }) => name).sort()).toEqual(["begun", "broken", "evaluations/first", "trained"]);
  expect(found.every(({ id }) => RUN_ID.test(id))).toBe(true);
  expect(new Set(found.map(({ id }) => id)).size).toBe(4);
  expect(more).toBe(false);
  expect((await findRuns(join(runs, "trained"))).runs).toMatchObject([{ name: ".", kind: "training" }]);
  await expect(findRuns(join(runs, "nowhere"))).rejects.toMatchObject({ code: "not-found" });
});

test(
  "tells them, those that cannot be read too, and never where they lie",
  async () => {
    const own = await server({ runs });
    const response = await own.ask("GET /v1/runs");
    const text = await response.text();
    expect(text).not.toContain(root);
    const { data, shared } = JSON.parse(text) as { data: readonly Listed[]; shared: boolean };
    expect(shared).toBe(true);
    const named = new Map(data.map((run) => [run.name, run]));
    expect(named.get("trained")).toMatchObject({ kind: "training", step: 3, steps: 8, model: "llama", last: {} });
    expect(named.get("evaluations/first")).toMatchObject({
      finished: true,
      task: "squad",
      questions: 6,
      model: "tiny",
    });
    expect(named.get("begun")).toMatchObject({ finished: false, task: "squad" });
    expect(named.get("broken")?.fault).toContain("broken");

    const ask = async (name: string, what = ""): Promise<Response> =>
      own.ask(`GET /v1/runs/${named.get(name)?.id ?? ""}${what}`);
    const report = await ask("evaluations/first", "/report");
    expect(report.headers.get("content-type")).toContain("text/html");
    const html = await report.text();
    expect(html).toContain("question 0?");
    expect(html).not.toContain(root);
    const curve = await ask("trained", "/loss-curve?width=358");
    expect(curve.headers.get("content-type")).toContain("image/svg+xml");
    expect(await curve.text()).toMatch(/^<svg[^>]* width="358"/);
    expect((await ask("trained", "/loss-curve?width=9")).status).toBe(400);
    expect((await ask("trained", "/report")).status).toBe(404);
    expect((await ask("evaluations/first", "/loss-curve")).status).toBe(404);
    const begun = await ask("begun", "/report");
    expect(begun.status).toBe(422);
    expect(await begun.text()).toContain("not finished");
  },
  TIME,
);

test("settings of an evaluation that are none are left out", async () => {
  const own = await server({ runs });
  const config = join(runs, "begun", "config.json");
  const strange = { toString: 1, valueOf: 2 };
  for (const [methods, keeps] of [
    [[strange], [strange]],
    ["full", 0.5],
    [
      ["full", 1],
      [0.5, "0.5"],
    ],
  ]) {
    await writeFile(config, JSON.stringify({ identity: { task: "squad", config: { methods, keeps } } }));
    const { data } = await own.json("GET /v1/runs");
    const begun = data.find((run) => (run as unknown as Listed).name === "begun");
    expect(begun).toMatchObject({ task: "squad", finished: false });
    expect(Object.keys(begun ?? {})).not.toEqual(expect.arrayContaining(["methods"]));
    expect(Object.keys(begun ?? {})).not.toEqual(expect.arrayContaining(["keeps"]));
  }
  await writeFile(config, JSON.stringify({ identity: { task: "squad", config: {} } }));
});

test("without a folder there are none, and no id leads anywhere", async () => {
  const own = await server();
  expect(await own.json("GET /v1/runs")).toMatchObject({ data: [], shared: false });
  const sharing = await server({ runs });
  for (const id of [`run_${"0".repeat(24)}`, "trained", "..%2felsewhere", "%2e%2e", "run_", "constructor"]) {
    for (const what of ["", "/report", "/loss-curve"]) {
      expect([id, what, (await own.ask(`GET /v1/runs/${id}${what}`)).status]).toEqual([id, what, 404]);
      expect([id, what, (await sharing.ask(`GET /v1/runs/${id}${what}`)).status]).toEqual([id, what, 404]);
    }
  }
});
