import { formatCount } from "../../../src/util/format.ts";
import type { WorkProgress } from "../api/types.ts";

export interface ProgressProps {
  /** What is being done. */
  readonly doing: string;
  /** Undefined until the server begins. */
  readonly progress?: WorkProgress | undefined;
  readonly onCancel: () => void;
}

/** Work that goes on, how far it is, and a way to stop it. */
export function Progress({ doing, progress, onCancel }: ProgressProps) {
  const done = progress === undefined || progress.total === 0 ? undefined : progress.tokens / progress.total;
  return (
    <div class="progress">
      <p role="status">{doing}</p>
      <progress max={1} {...(done === undefined ? {} : { value: done })} aria-label={doing} />
      <p class="quiet">{progress === undefined ? "waiting for the model" : said(progress)}</p>
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
    </div>
  );
}

function said({ tokens, total, fold, folds = 1 }: WorkProgress): string {
  const read = `${formatCount(tokens)} of ${formatCount(total)} tokens`;
  return folds > 1 && fold !== undefined ? `${read}, fold ${fold} of ${folds}` : read;
}
