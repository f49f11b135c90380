import { z } from "zod";
import { boundedList } from "../../../util/bounded-list.ts";
import { readRecords } from "../../../data/sources/read/read-records.ts";
import { checked } from "../../../data/sources/record-source.ts";
import type { SourceNotes } from "../../../data/sources/source.ts";
import { squad } from "../../../data/sources/squad.ts";
import { KvDistillError } from "../../../util/errors.ts";
import { drawPlaces, type RulerGenerator } from "./sample.ts";

/** Questions about some of many documents. */
export interface DocumentSet {
  readonly documents: readonly string[];
  readonly questions: readonly {
    readonly question: string;
    readonly answers: readonly string[];
    /** Places of the documents that it is about. */
    readonly about: readonly number[];
    /** Places of their nearest, which are taken first to stand beside them. */
    readonly near: readonly number[];
  }[];
}

const INSTRUCTION =
  "Answer the question based on the given documents. Only give me the answer and do not output any other words.";

/** A question and its documents among others (qa.py). Sizes: documents. */
export function documentQuestions({ documents, questions }: DocumentSet): RulerGenerator {
  return {
    least: 1,
    most: documents.length,
    make: (random, size, _length, index) => {
      const asked = questions[index % questions.length];
      if (asked === undefined) throw new KvDistillError("bad-argument", "there are no questions to ask");
      const { question, answers, about, near } = asked;
      const missing = Math.max(0, size - about.length);
      const chosen = [...about, ...(missing > near.length ? near : drawFrom(near, missing))];
      if (chosen.length < size) {
        const others = [...documents.keys()].filter((place) => !chosen.includes(place));
        chosen.push(...drawFrom(others, size - chosen.length));
      }
      const shown = random.shuffle(chosen).map((place, i) => `Document ${i + 1}:\n${documents[place] ?? ""}`);
      return {
        context: `${INSTRUCTION}\n\nThe following are given documents.\n\n${shown.join("\n\n")}`,
        question: `${INSTRUCTION}\n\nQuestion: ${question}`,
        answerPrefix: "Answer:",
        references: answers,
        answer: answers[0] ?? "",
      };

      function drawFrom(places: readonly number[], count: number): number[] {
        return drawPlaces(random, places.length, count).map((place) => places[place] ?? 0);
      }
    },
  };
}

const articleSchema = z.object({
  data: boundedList(z.object({ paragraphs: boundedList(z.object({ context: z.string() })) })),
});
const titledSchema = z.object({ title: z.string(), context: z.string() });

/**
 * The questions of a SQuAD file (published JSON, or rows with a title); a paragraph's nearest are the others of its article.
 * @throws KvDistillError as `Source.read`
 */
export async function squadDocuments(path: string, notes: SourceNotes): Promise<DocumentSet> {
  const articles = await paragraphsByArticle(path);
  const places = new Map<string, number>();
  const placeOf = (text: string): number => {
    const known = places.get(text) ?? places.size;
    places.set(text, known);
    return known;
  };
  const rows: { question: string; answers: readonly string[]; place: number; siblings: readonly string[] }[] = [];
  for await (const { context, question, answers } of squad.read(path, notes)) {
    rows.push({ question, answers, place: placeOf(context), siblings: articles.get(context) ?? [] });
  }
  const questions = rows.map(({ question, answers, place, siblings }) => {
    const near = [...new Set(siblings.flatMap((text) => places.get(text) ?? []))].filter((other) => other !== place);
    return { question, answers, about: [place], near };
  });
  return { documents: [...places.keys()], questions };
}

/** For every paragraph those of its article; what is malformed is told by who reads the questions. */
async function paragraphsByArticle(path: string): Promise<Map<string, readonly string[]>> {
  const silent: SourceNotes = { onFault: () => undefined, onUnused: () => undefined, onDamaged: () => undefined };
  const byTitle = new Map<string, string[]>();
  const found = new Map<string, readonly string[]>();
  for await (const { value } of readRecords(path, silent)) {
    const file = articleSchema.safeParse(value).data;
    for (const { paragraphs } of file?.data ?? []) {
      const texts = paragraphs.map(({ context }) => context);
      for (const text of texts) found.set(text, texts);
    }
    const row = titledSchema.safeParse(value).data;
    if (row === undefined) continue;
    const own = byTitle.get(row.title) ?? [];
    own.push(row.context);
    byTitle.set(row.title, own);
    found.set(row.context, own);
  }
  return found;
}

/** https://hotpotqa.github.io: a list of questions, each with ten titled paragraphs as lists of sentences. */
const hotpotSchema = z.object({
  question: z.string(),
  answer: z.string(),
  context: boundedList(z.tuple([z.string(), boundedList(z.string())]), { least: 1 }),
});

/**
 * The questions of a HotpotQA file (hotpot_dev_distractor_v1.json), each about its ten paragraphs.
 * @throws KvDistillError as `readRecords`
 */
export async function hotpotDocuments(path: string, notes: SourceNotes): Promise<DocumentSet> {
  const places = new Map<string, number>();
  const questions: DocumentSet["questions"][number][] = [];
  for await (const { value, ...place } of readRecords(path, notes)) {
    const row = checked(hotpotSchema, value);
    if ("fault" in row) {
      notes.onFault({ ...place, fault: row.fault });
      continue;
    }
    const about = row.value.context.map(([title, sentences]) => {
      const text = `${title}\n${sentences.join("")}`;
      const known = places.get(text) ?? places.size;
      places.set(text, known);
      return known;
    });
    questions.push({ question: row.value.question, answers: [row.value.answer], about: [...new Set(about)], near: [] });
  }
  return { documents: [...places.keys()], questions };
}
