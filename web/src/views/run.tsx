import { useEffect, useState } from "preact/hooks";
import { formatCount, formatNumber } from "../../../src/util/format.ts";
import type { EvaluationRun, Run, TrainingRun } from "../api/types.ts";
import { Failure } from "../parts/failure.tsx";
import { Progress } from "../parts/progress.tsx";
import { Time } from "../parts/time.tsx";
import { LINKS } from "../route.ts";
import { saveFile } from "../save-file.ts";
import { useSession } from "../session.ts";
import { useLoaded } from "../use-loaded.ts";
import { useWork } from "../use-work.ts";
import { evaluationText, runName } from "./runs.tsx";

/** One training run or evaluation. */
export function RunView({ id }: { readonly id: string }) {
  const { api } = useSession();
  const { value: run, failure, reload } = useLoaded(id, (signal) => api.json<Run>("GET", `/v1/runs/${id}`, { signal }));
  return (
    <>
      <p>
        <a href={LINKS.runs}>All runs</a>
      </p>
      <h1 tabIndex={-1}>{run === undefined ? "Run" : runName(run)}</h1>
      <Failure message={failure ?? run?.fault} />
      {run === undefined && failure === undefined && <p role="status">Asking for the run…</p>}
      {run?.kind === "training" && <Training run={run} reload={reload} />}
      {run?.kind === "evaluation" && <Evaluation run={run} />}
    </>
  );
}

/** How often a run that goes on is looked at. */
const AGAIN_MS = 5000;

function Training({ run, reload }: { readonly run: TrainingRun; readonly reload: () => void }) {
  const { api } = useSession();
  const { id, step = 0, steps = 0, last } = run;
  const goesOn = step < steps;
  const curve = useLoaded(`curve ${id} ${step}`, (signal) =>
    api.blob(`/v1/runs/${id}/loss-curve?width=${plotWidth()}`, signal),
  );
  const image = useUrl(curve.value);

  useEffect(() => {
    if (!goesOn) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") reload();
    }, AGAIN_MS);
    return () => {
      clearInterval(timer);
    };
  }, [goesOn, reload]);

  const facts: (readonly [string, string])[] = [
    ["Model", run.model ?? "not known"],
    ["Steps", `${formatCount(step)} of ${formatCount(steps)}`],
    ...(run.examples === undefined ? [] : [["Passages", formatCount(run.examples)] as const]),
    ...(last === undefined
      ? []
      : ([
          ["Loss", formatNumber(last.loss)],
          ["Forward KL", formatNumber(last.forwardKl)],
          ["Reverse KL", formatNumber(last.reverseKl)],
        ] as const)),
  ];
  return (
    <>
      <p class="quiet">
        Last step <Time seconds={run.updated} />
        {goesOn ? "; this page looks again every five seconds" : ""}
      </p>
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {steps > 0 && <progress max={steps} value={step} aria-label="Steps done" />}
      {image !== undefined && (
        <img class="curve" src={image} alt={`Loss and both divergences over ${formatCount(step)} steps`} />
      )}
      {step > 0 && <Failure message={curve.failure} />}
    </>
  );
}

/** Pixels: as wide as the page, within reason. Text in a plot that was drawn wider could not be read on a narrow screen. */
function plotWidth(): number {
  return Math.min(760, Math.max(300, document.documentElement.clientWidth - 34));
}

/** An address for bytes, as long as they are shown; the old one stays until the new one is there. */
function useUrl(blob: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (blob === undefined) return undefined;
    const own = URL.createObjectURL(blob);
    setUrl(own);
    return () => {
      // The picture on the screen has been read already.
      URL.revokeObjectURL(own);
    };
  }, [blob]);
  return url;
}

function Evaluation({ run }: { readonly run: EvaluationRun }) {
  const { api } = useSession();
  const [page, setPage] = useState<string>();
  const work = useWork();
  const { id, finished } = run;
  useEffect(() => {
    if (!finished) return;
    work.start(async (signal) => {
      setPage(await api.text(`/v1/runs/${id}/report`, signal));
    });
  }, [api, id, finished]);
  return (
    <>
      <p class="quiet">{evaluationText(run)}</p>
      {!finished && <p>The evaluation is not finished: there is no report yet.</p>}
      {work.busy && <Progress doing="Making the report" onCancel={work.cancel} />}
      <Failure message={work.failure} />
      {page !== undefined && (
        <>
          <button
            type="button"
            onClick={() => {
              saveFile(new Blob([page], { type: "text/html" }), `${runName(run).replaceAll("/", "-")}-report.html`);
            }}
          >
            Save the report
          </button>
          {/* Whatever is in it runs as if from nowhere: it sees nothing of this page, and this page's policy binds it. */}
          <iframe class="report" title={`Report about ${runName(run)}`} sandbox="allow-scripts" srcdoc={page} />
        </>
      )}
    </>
  );
}
