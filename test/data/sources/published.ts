/** A file of each source as its publisher writes it, by hand and small; `rows` is how many come out of it. */
export interface Published {
  readonly file: string;
  /** Records; those of a JSON Lines file each on a line, those of a JSON array its elements, one alone is the whole file. */
  readonly records: readonly unknown[];
  readonly form: "lines" | "array" | "document";
  readonly rows: number;
}

export const ARTICLE =
  "The ferry left the island at noon, as on every other day. Only the captain knew that it carried no passengers, and he " +
  "had been paid to forget it.";

export const PUBLISHED: Readonly<Record<string, Published>> = {
  triples: {
    file: "triples.jsonl",
    form: "lines",
    records: [
      {
        id: "t1",
        source: "mine",
        licence: "CC0-1.0",
        context: ARTICLE,
        question: "When?",
        answers: ["noon", "at noon"],
      },
    ],
    rows: 1,
  },
  "self-instruct": {
    file: "seed_tasks.jsonl",
    form: "lines",
    records: [
      {
        id: "seed_task_7",
        name: "shorten",
        instruction: "Shorten the text.",
        instances: [
          { input: ARTICLE, output: "A ferry sailed empty." },
          { input: "", output: "Nothing." },
        ],
        is_classification: false,
      },
      { instruction: "Count the sentences.", input: ARTICLE, output: "2" },
      { prompt: `Task: Count the sentences.\n\n${ARTICLE}\n\nOutput:`, completion: " 2<|endoftext|>" },
    ],
    rows: 3,
  },
  alpaca: {
    file: "alpaca_data.json",
    form: "array",
    records: [
      { instruction: "Summarize the following text.", input: ARTICLE, output: "A ferry sailed empty." },
      { instruction: "Name three colours.", input: "", output: "Red, green, blue." },
      { instruction: "Name three fruits.", input: "<No Input>", output: "Apple, pear, plum." },
    ],
    rows: 1,
  },
  p3: {
    file: "train.jsonl",
    form: "lines",
    records: [
      {
        inputs: [1, 2],
        inputs_pretokenized: `Question: When did it leave?\n\nContext: ${ARTICLE}\n\nAnswer:\n`,
        targets: [3, 1],
        targets_pretokenized: "noon",
      },
    ],
    rows: 1,
  },
  longalpaca: {
    file: "LongAlpaca-12k.json",
    form: "array",
    records: [
      {
        instruction:
          "Below is a paper. Memorize the paper and answer my question after the paper.\n The paper begins. \n " +
          `${ARTICLE} \n Now the paper ends. \nWhat is the paper about?`,
        output: "A ferry.",
        file: "2023/1.txt",
        input: "",
      },
      { instruction: "Name three colours.", output: "Red, green, blue.", file: "", input: "" },
    ],
    rows: 1,
  },
  "super-natural-instructions": {
    file: "task059_ropes_story_generation.json",
    form: "document",
    records: [
      {
        Contributors: ["A"],
        Source: ["ropes"],
        Definition: ["Write a story about the paragraph."],
        "Positive Examples": [{ input: ARTICLE, output: "Once …", explanation: "Good." }],
        "Negative Examples": [],
        Instances: [{ id: "task059-1", input: ARTICLE, output: ["A story.", "Another."] }],
        "Instance License": ["CC BY 4.0"],
      },
    ],
    rows: 1,
  },
  squad: {
    file: "train-v2.0.json",
    form: "document",
    records: [
      {
        version: "v2.0",
        data: [
          {
            title: "Ferry",
            paragraphs: [
              {
                context: ARTICLE,
                qas: [
                  { id: "a", question: "When?", answers: [{ text: "noon", answer_start: 36 }], is_impossible: false },
                  { id: "b", question: "Why?", answers: [], plausible_answers: [], is_impossible: true },
                ],
              },
            ],
          },
        ],
      },
    ],
    rows: 1,
  },
  quality: {
    file: "QuALITY.v1.0.1.htmlstripped.dev",
    form: "lines",
    records: [
      {
        article_id: "52845",
        set_unique_id: "52845_ABC",
        source: "Gutenberg",
        license: "Project Gutenberg License",
        article: ARTICLE,
        questions: [
          {
            question: "Who was paid?",
            question_unique_id: "52845_ABC_1",
            options: ["The captain", "The cook", "Nobody", "The island"],
            gold_label: 1,
            writer_label: 1,
            validation: [],
            speed_validation: [],
            difficult: 0,
          },
          {
            question: "Why?",
            question_unique_id: "52845_ABC_2",
            options: ["a", "b", "c", "d"],
            writer_label: 2,
            difficult: 1,
          },
        ],
      },
    ],
    rows: 1,
  },
  squality: {
    file: "dev.jsonl",
    form: "lines",
    records: [
      {
        metadata: { passage_id: "63833", uid: "e", license: "…" },
        document: ARTICLE,
        questions: [
          {
            question_text: "What is the plot of the story?",
            question_number: 1,
            responses: [
              { worker_id: "6", uid: "0", response_text: "A ferry sails." },
              { worker_id: "1", uid: "1", response_text: "An empty ferry." },
            ],
          },
        ],
      },
    ],
    rows: 1,
  },
};

export function textOf({ form, records }: Pick<Published, "form" | "records">): string {
  if (form === "lines") return records.map((record) => `${JSON.stringify(record)}\n`).join("");
  return `${JSON.stringify(form === "array" ? records : records[0], undefined, 4)}\n`;
}
