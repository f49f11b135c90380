import { formatCount, formatNumber, formatPercent } from "../../../src/util/format.ts";
import type { EvaluationRun, Run, RunList, TrainingRun } from "../api/types.ts";
import { Failure } from "../parts/failure.tsx";
import { Time } from "../parts/time.tsx";
import { LINKS } from "../route.ts";
import { useSession } from "../session.ts";
import { useLoaded } from "../use-loaded.ts";

/** Training runs and evaluations that the server shares. */
export function RunsView() {
  const { api } = useSession();
  const list = useLoaded("runs", (signal) => api.json<RunList>("GET", "/v1/runs", { signal }));
  const runs = list.value;
  return (
    <>
      <h1 tabIndex={-1}>Runs</h1>
      <Failure message={list.failure} />
      {runs === undefined && list.failure === undefined && <p role="status">Looking for runs…</p>}
      {runs?.shared === false && (
        <p>
          This server shows no runs. <code>kv-distill serve --runs FOLDER</code> shows the training runs and evaluations
          in a folder.
        </p>
      )}
      {runs?.shared === true && runs.data.length === 0 && <p>There are none in the folder that this server shows.</p>}
      {runs !== undefined && runs.data.length > 0 && (
        <ul class="cards">
          {runs.data.map((run) => (
            <li key={run.id}>
              <div>
                <h2>
                  <a href={LINKS.run(run.id)}>{runName(run)}</a> <span class="tag">{run.kind}</span>
                </h2>
                <p class="quiet">
                  <Time seconds={run.updated} /> · {run.kind === "training" ? trainingText(run) : evaluationText(run)}
                </p>
                {run.fault !== undefined && <p class="failure">{run.fault}</p>}
              </div>
            </li>
          ))}
        </ul>
      )}
      {runs?.more === true && <p class="quiet">There are more: only the newest are listed.</p>}
    </>
  );
}

export function runName({ name }: Pick<Run, "name">): string {
  return name === "." ? "the folder's own run" : name;
}

export function trainingText({ model, step, steps, last }: TrainingRun): string {
  const parts = [
    ...(model === undefined ? [] : [model]),
    ...(step === undefined || steps === undefined ? [] : [`${formatCount(step)} of ${formatCount(steps)} steps`]),
    ...(last === undefined ? [] : [`loss ${formatNumber(last.loss)}`]),
  ];
  return parts.join(" · ");
}

export function evaluationText({ task, model, questions, methods, keeps, finished }: EvaluationRun): string {
  const parts = [
    ...(task === undefined ? [] : [task]),
    ...(model === undefined ? [] : [model]),
    ...(questions === undefined ? [] : [`${formatCount(questions)} questions`]),
    ...(methods === undefined ? [] : [methods.join(", ")]),
    ...(keeps === undefined ? [] : [`keep ${keeps.map((keep) => formatPercent(keep)).join(", ")}`]),
    ...(finished ? [] : ["not finished"]),
  ];
  return parts.join(" · ");
}
