import { join } from "node:path";
import { lossCurve } from "../../train/loss-curve.ts";
import { METRICS_FILE, readMetrics } from "../../train/metrics.ts";
import { Refusal } from "../http/refusal.ts";
import type { Router } from "../http/router.ts";
import type { Service } from "../service.ts";
import { findRuns, type FoundRun, RUN_ID, type RunKind } from "./find-runs.ts";
import { makeReport } from "./make-report.ts";
import { runFacts } from "./run-facts.ts";

/** Runs told in one answer. */
const LISTED = 200;

/** Pixels that a plot may be wide. */
const WIDTHS = { least: 300, most: 1600 };

/** Training runs and evaluations that the person who runs the server shares: listed, told about, drawn. Everybody who may ask sees all. */
export function addRunRoutes(router: Router, { runs: root, uploads }: Service): void {
  /** Found anew by every request: a request names an id, never a path. */
  async function find(id: string, kind?: RunKind): Promise<FoundRun> {
    const known = root === undefined || !RUN_ID.test(id) ? [] : (await findRuns(root)).runs;
    const found = known.find((run) => run.id === id);
    if (found === undefined) throw new Refusal("not-found", "there is no such run");
    if (kind === undefined || found.kind === kind) return found;
    throw new Refusal("not-found", `the run is no ${kind}`);
  }

  router.get("/v1/runs", async (c) => {
    const { runs, more } = root === undefined ? { runs: [], more: false } : await findRuns(root);
    const data = [];
    for (const run of runs.slice(0, LISTED)) data.push(await runFacts(run));
    return c.json({ object: "list", data, shared: root !== undefined, more: more || runs.length > LISTED });
  });

  router.get("/v1/runs/:id", async (c) => c.json(await runFacts(await find(c.req.param("id")))));

  router.get("/v1/runs/:id/loss-curve", async (c) => {
    const run = await find(c.req.param("id"), "training");
    const points = await readMetrics(join(run.path, METRICS_FILE));
    const last = points.at(-1);
    if (last === undefined) throw new Refusal("not-found", "the run has not finished a step yet");
    const width = widthOf(c.req.query("width"));
    return new Response(lossCurve(points, `Training ${run.name}: ${last.step} steps`, width), {
      headers: { "Content-Type": "image/svg+xml; charset=utf-8", "Cache-Control": "no-store" },
    });
  });

  router.get("/v1/runs/:id/report", async (c) => {
    const run = await find(c.req.param("id"), "evaluation");
    const page = await uploads.run(c.env.tenant, c.req.raw.signal, ({ signal }) => makeReport(run, signal));
    return new Response(page, {
      headers: { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" },
    });
  });
}

function widthOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const width = Number(given);
  if (Number.isInteger(width) && width >= WIDTHS.least && width <= WIDTHS.most) return width;
  throw new Refusal("bad-argument", `width: expected a whole number from ${WIDTHS.least} to ${WIDTHS.most}`, {
    param: "width",
  });
}
