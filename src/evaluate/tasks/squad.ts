import { z } from "zod";
import { groupPassages } from "../../data/group-passages.ts";
import type { Passage, RowFault } from "../../data/passage.ts";
import { readLines } from "../../data/read-lines.ts";
import { readRows } from "../../data/read-rows.ts";
import { KvDistillError } from "../../util/errors.ts";

// As published at rajpurkar.github.io/SQuAD-explorer for v1.1; fields that are not needed are not looked at.
const squadSchema = z.object({
  version: z.string().optional(),
  data: z.array(
    z.object({
      paragraphs: z.array(
        z.object({
          context: z.string().min(1),
          qas: z.array(
            z.object({
              id: z.string(),
              question: z.string().min(1),
              answers: z.array(z.object({ text: z.string() })).min(1),
            }),
          ),
        }),
      ),
    }),
  ),
});

const SHOWN_FAULTS = 10;

/**
 * The passages of a SQuAD-like file with their questions and all gold answers, in file order: the official v1.1 JSON or
 * the JSON Lines of `readRows`, plain or gzip, told apart by the first line. Rows of one context are one passage where
 * they stand together; the order of questions never changes and repeated questions stay. Malformed JSON Lines rows go
 * to `onFault`; a malformed official file is refused as a whole.
 * @throws KvDistillError `bad-file` for a malformed official file, `unsupported` for SQuAD v2; otherwise as `readLines`.
 */
export async function* readSquad(path: string, onFault: (fault: RowFault) => void): AsyncGenerator<Passage> {
  if (await isJsonLines(path)) yield* groupPassages(readRows(path, onFault), { openPassages: 1 });
  else yield* officialPassages(path, await readWhole(path));
}

/** The passages up to the first `limit` questions; the last passage may keep only some of its own. */
export async function* firstQuestions(passages: AsyncIterable<Passage>, limit: number): AsyncGenerator<Passage> {
  let left = limit;
  if (left <= 0) return;
  for await (const passage of passages) {
    const questions = passage.questions.slice(0, left);
    left -= questions.length;
    yield { ...passage, questions };
    if (left === 0) return;
  }
}

/** An official file is one value with the field `data`, on one line or many; JSON Lines begins with a whole row. */
async function isJsonLines(path: string): Promise<boolean> {
  for await (const read of readLines(path)) {
    if ("fault" in read) return true;
    if (read.text.trim() === "") continue;
    try {
      const value: unknown = JSON.parse(read.text);
      return !(typeof value === "object" && value !== null && "data" in value);
    } catch {
      return !/^\s*\{\s*("(data|version)"\s*:.*)?$/.test(read.text);
    }
  }
  return true;
}

async function readWhole(path: string): Promise<unknown> {
  const lines: string[] = [];
  for await (const read of readLines(path)) {
    if ("fault" in read) throw badFile(`${path}:${read.line}`, [read.fault]);
    lines.push(read.text);
  }
  try {
    return JSON.parse(lines.join("\n"));
  } catch (error) {
    throw badFile(path, [error instanceof Error ? error.message : String(error)]);
  }
}

function officialPassages(path: string, value: unknown): Passage[] {
  const version = z.object({ version: z.string() }).safeParse(value).data?.version ?? "1.1";
  if (/^v?2/.test(version)) {
    throw new KvDistillError("unsupported", "questions without an answer are not scored here", {
      where: path,
      expected: "SQuAD v1.1",
      got: `version ${version}`,
    });
  }
  const result = squadSchema.safeParse(value);
  if (!result.success) {
    throw badFile(
      path,
      result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`),
    );
  }
  return result.data.data
    .flatMap((article) => article.paragraphs)
    .flatMap(({ context, qas }) => {
      const questions = qas.map(({ id, question, answers }) => ({
        id,
        question,
        answers: answers.map((one) => one.text),
      }));
      const [first] = questions;
      return first === undefined ? [] : [{ id: first.id, source: `squad_v${version}`, context, questions }];
    });
}

function badFile(where: string, faults: readonly string[]): KvDistillError {
  const more = faults.length > SHOWN_FAULTS ? [`… and ${faults.length - SHOWN_FAULTS} more`] : [];
  return new KvDistillError("bad-file", "not a SQuAD v1.1 file", {
    where,
    faults: [...faults.slice(0, SHOWN_FAULTS), ...more],
  });
}
