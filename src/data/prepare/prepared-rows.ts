import { KvDistillError } from "../../util/errors.ts";
import { formatCount } from "../../util/format.ts";
import { randomFromSeed } from "../../util/random.ts";
import { createDataReport, type DataReport } from "../data-report.ts";
import type { Source, SourceRow } from "../sources/source.ts";
import type { EvaluationShingles } from "./decontaminate.ts";
import { createDeduplicator, type Deduplication } from "./deduplicate.ts";
import { checkWeights, mixtureShares } from "./mixture.ts";
import { Reservoir } from "./reservoir.ts";

/** One thing to read: a file or folder, and how. */
export interface PrepareInput {
  readonly source: Source;
  readonly path: string;
}

/** What rows go through, in this order: duplicates go, then what evaluation files hold, then a sample is drawn. */
export interface RowChoice {
  readonly deduplicate: Deduplication;
  readonly evaluation?: EvaluationShingles;
  /** At most this many rows, drawn evenly, or by weight where there are weights. */
  readonly maxRows?: number;
  /** One for each input. */
  readonly weights?: readonly number[];
  readonly seed: number;
}

/** What happened to the rows of one input. */
export interface InputReport {
  readonly input: PrepareInput;
  /** Rows that the source gave; malformed and unused ones are in the report only. */
  read: number;
  kept: number;
  /** What was left out, by reason. */
  readonly report: DataReport;
}

export function startInputReports(inputs: readonly PrepareInput[]): InputReport[] {
  return inputs.map((input) => ({ input, read: 0, kept: 0, report: createDataReport() }));
}

export interface RowsOptions extends RowChoice {
  /** One for each input, in the order of reading; filled as rows come. */
  readonly inputs: readonly InputReport[];
  readonly signal?: AbortSignal;
  /** After each row that was read. */
  readonly onRow?: () => void;
}

/**
 * The rows of all inputs, cleaned and sampled. Without `maxRows` they stream; with it they come after everything was read, in the order of
 * the inputs, and memory holds no more than `maxRows` of them (one more for each weight).
 * @throws KvDistillError `bad-argument` for weights without `maxRows` or not one for each input, `cancelled`, and what the sources throw
 */
export async function* preparedRows(options: RowsOptions): AsyncGenerator<SourceRow> {
  const { inputs, maxRows, weights } = options;
  if (weights !== undefined) {
    checkWeights(weights, inputs.length);
    if (maxRows === undefined) throw new KvDistillError("bad-argument", "weights need a number of rows to share out");
  }
  const isDuplicate = createDeduplicator(options.deduplicate);
  if (maxRows === undefined) {
    for (const input of inputs) {
      for await (const row of cleanRows(input, isDuplicate, options)) {
        input.kept++;
        yield row;
      }
    }
  } else yield* sampledRows(options, maxRows, isDuplicate);
}

async function* sampledRows(
  options: RowsOptions,
  maxRows: number,
  isDuplicate: (row: SourceRow) => boolean,
): AsyncGenerator<SourceRow> {
  const { inputs, weights, seed } = options;
  const sum = weights?.reduce((total, weight) => total + weight, 0) ?? 1;
  const random = randomFromSeed(seed, SAMPLE_STREAM);
  // Without weights all inputs are one stream; with them each is sampled for itself.
  const most = weights?.map((weight) => Math.max(1, Math.ceil((maxRows * weight) / sum))) ?? [maxRows];
  const reservoirs = most.map(
    (capacity) => new Reservoir<{ readonly row: SourceRow; readonly input: number }>(capacity, random),
  );
  for (const [number, input] of inputs.entries()) {
    const reservoir = reservoirs[weights === undefined ? 0 : number];
    for await (const row of cleanRows(input, isDuplicate, options)) {
      reservoir?.offer({ row, input: number });
      // Until the draw, what is left out counts as what is not kept.
      input.kept++;
    }
  }
  const shares =
    weights === undefined
      ? [undefined]
      : mixtureShares(
          reservoirs.map(({ offered }) => offered),
          weights,
          maxRows,
        );
  const clean = inputs.map(({ kept }) => kept);
  for (const input of inputs) input.kept = 0;
  for (const [number, reservoir] of reservoirs.entries()) {
    for (const { row, input: from } of reservoir.sample(shares[number])) {
      const input = inputs[from];
      if (input !== undefined) input.kept++;
      yield row;
    }
  }
  for (const [number, { kept, report }] of inputs.entries())
    report.onRemoved("not-sampled", (clean[number] ?? 0) - kept);
}

/** Stream of the seed that draws samples: other draws do not change with it. */
const SAMPLE_STREAM = 11;

async function* cleanRows(
  input: InputReport,
  isDuplicate: (row: SourceRow) => boolean,
  { evaluation, signal, onRow }: RowsOptions,
): AsyncGenerator<SourceRow> {
  const { source, path } = input.input;
  for await (const row of source.read(path, input.report)) {
    if (signal?.aborted === true) throw new KvDistillError("cancelled", "the preparation was stopped");
    input.read++;
    onRow?.();
    if (isDuplicate(row)) {
      input.report.onRemoved("duplicate", 1, row.id);
      continue;
    }
    const overlap = evaluation?.overlapOf(row);
    if (overlap === undefined) {
      yield row;
      continue;
    }
    const { file, shared, words } = overlap;
    const files = evaluation?.files.length === 1 ? file : `evaluation files, most of them of ${file}`;
    input.report.onRemoved(
      "contaminated",
      1,
      `${row.id}: ${formatCount(shared)} shingles of ${files}, such as "${words}"`,
    );
  }
}
