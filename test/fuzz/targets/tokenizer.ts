import { describeModel } from "../../../src/models/loading/describe.ts";
import { bytesCase, golden, goldenJson } from "../make/case.ts";
import { damages } from "../make/bytes.ts";
import { treeOf } from "../make/json-tree.ts";
import { mutateJson } from "../make/text.ts";
import { must, type Target } from "../target.ts";

const TEXTS = ["the cat sat on the mat 2019", " \u00e9\u0000\ud83d\ude00<|end|><tool> x", "", `${"a".repeat(40)}!`];
/** Patterns that go back over `aaa…!` again and again. */
const ENDLESS = ["(a+)+$", "(a|a)*b", "(?:a*)*\\d"];
/** Of the cases; each takes all the time that a pattern may take. */
const ENDLESS_SHARE = 0.0005;
const CONFIG = golden("gguf-models/llama/config.json").toString("utf8");

/** tokenizer.json as a model folder has it: what is accepted must also encode and decode. Patterns that go back without end are among them. */
export const tokenizerJson: Target = {
  name: "tokenizer",
  share: 30,
  open: () => {
    const files = ["tokenizers/smollm.json", "tokenizers/llama2.json", "gguf-models/llama/tokenizer.json"];
    const trees = files.map((path) => treeOf(small(goldenJson(path), 290)));
    const smaller = files.map((path) => treeOf(small(goldenJson(path), 100)));
    const whole = goldenJson("gguf-models/llama/tokenizer.json") as object;
    const endless = ENDLESS.map((Regex) => JSON.stringify(splitBy(whole, Regex)));
    return Promise.resolve({
      make: (dice) =>
        dice.chance(ENDLESS_SHARE)
          ? bytesCase(Buffer.from(dice.pick(endless)), check)
          : bytesCase(mutateJson(dice.pick(dice.chance(0.25) ? trees : smaller), dice), check),
      edges: function* () {
        for (const bytes of damages(golden("gguf-models/llama/tokenizer.json"))) yield bytesCase(bytes, check);
      },
      close: () => Promise.resolve(),
    });
  },
};

function check(bytes: Uint8Array): void {
  const text = Buffer.from(bytes).toString("utf8");
  const texts = new Map([
    ["config.json", CONFIG],
    ["tokenizer.json", text],
  ] as const);
  const { tokenizer, config } = describeModel({ where: "model", texts, weights: [], files: [] });
  must(tokenizer.idLimit <= config.vocabSize, "ids beyond the vocabulary");
  for (const given of TEXTS) {
    for (const ids of [
      tokenizer.encode(given, { special: "parse" }),
      tokenizer.encodeParts([{ text: given, special: "plain" }]),
    ]) {
      must(
        ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.idLimit),
        `ids of ${JSON.stringify(given)}: ${ids.join(" ")}`,
      );
      const spans = tokenizer.spans(ids);
      must(
        spans.spans.every(({ start, end }) => start >= 0 && start <= end && end <= spans.text.length),
        "spans outside the text",
      );
      tokenizer.decode(ids, { skipSpecial: true });
    }
  }
}

function splitBy(json: object, Regex: string): object {
  const steps = [
    { type: "Split", pattern: { Regex }, behavior: "Isolated" },
    { type: "ByteLevel", use_regex: false },
  ];
  return { ...json, pre_tokenizer: { type: "Sequence", pretokenizers: steps } };
}

/** A vocabulary of the first tokens, so that a case takes little time; its merges go with it. */
function small(json: unknown, tokens: number): unknown {
  const {
    model,
    added_tokens: added,
    ...rest
  } = json as { model: { vocab: Record<string, number>; merges: unknown[] }; added_tokens: unknown };
  const vocab = Object.fromEntries(Object.entries(model.vocab).filter(([, id]) => id < tokens));
  const merges = model.merges.filter((merge) =>
    Object.hasOwn(vocab, Array.isArray(merge) ? merge.join("") : String(merge).replace(" ", "")),
  );
  return { ...rest, added_tokens: added, model: { ...model, vocab, merges: merges.slice(0, 40) } };
}

/** tokenizer_config.json, config.json and generation_config.json. */
export const modelConfig: Target = {
  name: "model-config",
  share: 60,
  open: () => {
    const families = ["llama", "llama3", "linear", "mistral", "qwen2", "qwen3", "gpt2"];
    const configs = families.map((family) => treeOf(goldenJson(`gguf-models/${family}/config.json`)));
    const tokenizerConfig = treeOf({
      ...(goldenJson("gguf-models/llama/tokenizer_config.json") as object),
      chat_template: [{ name: "default", template: "{{ messages }}" }],
    });
    const generation = treeOf({ eos_token_id: [1, 2], bos_token_id: 0, temperature: 0.6 });
    const tokenizer = JSON.stringify(small(goldenJson("gguf-models/llama/tokenizer.json"), 20));
    const run =
      (name: "config.json" | "tokenizer_config.json" | "generation_config.json") =>
      (bytes: Uint8Array): void => {
        const texts = new Map([
          ["config.json", CONFIG],
          ["tokenizer.json", tokenizer],
          [name, Buffer.from(bytes).toString("utf8")],
        ] as const);
        checkConfig(describeModel({ where: "model", texts, weights: [], files: [] }).config);
      };
    return Promise.resolve({
      make: (dice) => {
        if (dice.chance(0.7)) return bytesCase(mutateJson(dice.pick(configs), dice), run("config.json"));
        if (dice.chance(0.5)) return bytesCase(mutateJson(tokenizerConfig, dice), run("tokenizer_config.json"));
        return bytesCase(mutateJson(generation, dice), run("generation_config.json"));
      },
      edges: function* () {
        for (const bytes of damages(Buffer.from(CONFIG))) yield bytesCase(bytes, run("config.json"));
      },
      close: () => Promise.resolve(),
    });
  },
};

function checkConfig(config: object): void {
  for (const [name, value] of Object.entries(config) as [string, unknown][]) {
    if (typeof value === "number") must(Number.isFinite(value) && value >= 0, `${name} is ${value}`);
  }
}
