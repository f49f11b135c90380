import { KvDistillError } from "../../../util/errors.ts";
import { randomFromSeed } from "../../../util/random.ts";
import { stringMatch } from "../../metrics/string-match.ts";
import { haystackFiles, readHaystack } from "../haystack.ts";
import { largestFitting } from "../largest-fitting.ts";
import type { PromptStyle, Task, TaskPassage, TaskSurroundings } from "../task.ts";
import { commonWords } from "./common-words.ts";
import { documentQuestions, hotpotDocuments, squadDocuments } from "./documents.ts";
import { frequentWords } from "./frequent-words.ts";
import { type NeedleOptions, needles } from "./needles.ts";
import type { RulerGenerator, RulerSample } from "./sample.ts";
import { variableTracking } from "./variables.ts";

const ONE_NEEDLE = { keys: "words", values: "numbers", hidden: 1, valuesEach: 1, asked: 1 } as const;

/** scripts/synthetic.yaml */
const NEEDLES: Readonly<Record<string, NeedleOptions>> = {
  niah_single_1: { ...ONE_NEEDLE, haystack: "noise" },
  niah_single_2: { ...ONE_NEEDLE, haystack: "essay" },
  niah_single_3: { ...ONE_NEEDLE, haystack: "essay", values: "uuids" },
  niah_multikey_1: { ...ONE_NEEDLE, haystack: "essay", hidden: 4 },
  niah_multikey_2: { ...ONE_NEEDLE, haystack: "needle" },
  niah_multikey_3: { ...ONE_NEEDLE, haystack: "needle", keys: "uuids", values: "uuids" },
  niah_multivalue: { ...ONE_NEEDLE, haystack: "essay", valuesEach: 4 },
  niah_multiquery: { ...ONE_NEEDLE, haystack: "essay", hidden: 4, asked: 4 },
};

/** Tokens that are generated: scripts/data/synthetic/constants.py */
const NEW_TOKENS: Readonly<Record<string, number>> = { vt: 30, cwe: 120, fwe: 50, qa_1: 32, qa_2: 32 };
const NEEDLE_NEW_TOKENS = 128;

export const RULER_TASKS: readonly string[] = [...Object.keys(NEEDLES), "vt", "cwe", "fwe", "qa_1", "qa_2"];

const STYLE: PromptStyle = { name: "ruler", ask: (question) => `\n${question}`, chat: true };
/** Documents and their question have an empty line between them. */
const DOCUMENT_STYLE: PromptStyle = { ...STYLE, ask: (question) => `\n\n${question}` };
const RULER_STREAM = 22;

export interface RulerSettings {
  readonly tasks: readonly string[];
  /** Tokens of everything: template, haystack, question and the answer's limit. */
  readonly lengths: readonly number[];
  /** Of each task at each length. */
  readonly samples: number;
}

/** What tasks are made of. */
export interface RulerFiles {
  /** Text for the essays of six tasks; a file or folder. */
  readonly haystack?: string;
  /** For qa_1. */
  readonly squad?: string;
  /** For qa_2. */
  readonly hotpot?: string;
}

/** What a task of RULER is made of; undefined when of nothing that is given. */
export function rulerFile(task: string): keyof RulerFiles | undefined {
  if (task === "qa_1") return "squad";
  if (task === "qa_2") return "hotpot";
  return NEEDLES[task]?.haystack === "essay" ? "haystack" : undefined;
}

/**
 * RULER (Hsieh et al. 2024, arXiv 2404.06654, https://github.com/NVIDIA/RULER): thirteen tasks that are made up, at any length, with the
 * settings that its repository publishes. The instruction and the haystack are compressed, the question follows. Two differences: the
 * essays are the given text, and draws are those of this program's seed.
 * @throws KvDistillError `bad-argument` for tasks that there are not or that lack their file; `not-found` for a folder without text
 */
export async function rulerTask(settings: RulerSettings, files: RulerFiles): Promise<Task> {
  const faults = settings.tasks.flatMap((name) => {
    const file = rulerFile(name);
    if (!RULER_TASKS.includes(name)) return [`there is no task ${name}; there are ${RULER_TASKS.join(", ")}`];
    return file === undefined || files[file] !== undefined ? [] : [`${name} needs ${file}`];
  });
  if (faults.length > 0) throw new KvDistillError("bad-argument", "RULER cannot be made", { faults });
  const used = new Set(settings.tasks.flatMap((name) => rulerFile(name) ?? []));
  const essays = used.has("haystack") ? await haystackFiles(files.haystack ?? "") : [];
  const others = (["squad", "hotpot"] as const).flatMap((name) => (used.has(name) ? (files[name] ?? []) : []));
  return {
    name: "ruler",
    settings: { ...settings },
    files: [...essays, ...others],
    style: STYLE,
    metrics: ["stringMatch"],
    maxNewTokens: null,
    async *passages(surroundings) {
      const generators = await generatorsOf(settings.tasks, essays, files, surroundings);
      for (let index = 0; index < settings.samples; index++) {
        for (const length of settings.lengths) {
          for (const [name, generator] of generators) yield passageOf(name, generator, length, index, surroundings);
        }
      }
    },
  };
}

async function generatorsOf(
  tasks: readonly string[],
  essays: readonly string[],
  files: RulerFiles,
  { notes }: TaskSurroundings,
): Promise<Map<string, RulerGenerator>> {
  const essay = essays.length === 0 ? [] : (await readHaystack(essays, notes)).split(" ");
  const generators = new Map<string, RulerGenerator>();
  for (const name of tasks) generators.set(name, await generatorOf(name));
  return generators;

  async function generatorOf(name: string): Promise<RulerGenerator> {
    const options = NEEDLES[name];
    if (options !== undefined) return needles(options, essay);
    if (name === "vt") return variableTracking;
    if (name === "cwe") return commonWords;
    if (name === "fwe") return frequentWords;
    const set =
      name === "qa_1"
        ? await squadDocuments(files.squad ?? "", notes)
        : await hotpotDocuments(files.hotpot ?? "", notes);
    if (set.questions.length > 0) return documentQuestions(set);
    throw new KvDistillError("bad-argument", "there are no questions to ask", { where: name });
  }
}

/** The longest sample that fits. @throws KvDistillError `bad-argument` when not even the shortest does */
function passageOf(
  name: string,
  { least, most = Infinity, make }: RulerGenerator,
  length: number,
  index: number,
  { seed, countPrompt }: TaskSurroundings,
): TaskPassage {
  const maxNewTokens = NEW_TOKENS[name] ?? NEEDLE_NEW_TOKENS;
  const stream = [RULER_STREAM, RULER_TASKS.indexOf(name), length, index];
  const sample = (size: number): RulerSample => make(randomFromSeed(seed, ...stream), size, length, index);
  const aboutDocuments = name.startsWith("qa_");
  const style = aboutDocuments ? DOCUMENT_STYLE : STYLE;
  const tokens = (size: number): number => countPrompt(sample(size), style) + maxNewTokens;
  const fits = (size: number): boolean => size <= most && tokens(size) <= length;
  const size = largestFitting(least, fits);
  if (size === undefined) {
    throw new KvDistillError("bad-argument", "a task does not fit into the length", {
      where: name,
      expected: `at least ${tokens(least)} tokens`,
      got: String(length),
    });
  }
  const { context, question, answerPrefix, references, answer } = sample(size);
  const id = `${name}-${length}-${index}`;
  return {
    id,
    source: `ruler_${name}`,
    context,
    style,
    maxNewTokens,
    questions: [
      {
        id,
        question,
        answerPrefix,
        answers: [answer],
        facts: { task: name, length },
        score: (outcome) => ({
          stringMatch: stringMatch(outcome.answer, references, aboutDocuments ? "part" : "all"),
        }),
      },
    ],
  };
}
