import { parsePromptTemplates } from "../../../src/data/sources/p3/prompt-templates.ts";
import { type ChatMessage, renderChat } from "../../../src/models/chat-template.ts";
import { createPassagePrompt } from "../../../src/models/passage-prompt.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { bytesCase, golden } from "../make/case.ts";
import type { Dice } from "../make/dice.ts";
import { hostileText } from "../make/hostile.ts";
import { jinja } from "../make/jinja.ts";
import { must, type Target } from "../target.ts";

const MESSAGES: readonly ChatMessage[] = [
  { role: "system", content: "Be brief. {{ 7*7 }}" },
  { role: "user", content: "the cat {% for %}" },
  { role: "assistant", content: "sat" },
];
const SPECIAL = { bos_token: "<s>", eos_token: "</s>" };
/** A template that goes on for ever is stopped after this many milliseconds; `TEMPLATE_LIMITS.time` in use. */
const TIME = 200;

/** A model's chat template: rendered, and cut into the parts of a prompt. */
export const chatTemplate: Target = {
  name: "chat-template",
  share: 15,
  open: () => {
    const whole = ["smollm2", "llama3-like", "mistral-like", "qwen-like"].map((name) =>
      golden(`chat-templates/${name}.jinja`),
    );
    const check = (bytes: Uint8Array): void => {
      const text = Buffer.from(bytes).toString("utf8");
      const render = (messages: readonly ChatMessage[], addGenerationPrompt: boolean): string =>
        renderChat({ text, specialTokens: SPECIAL, where: "template" }, messages, {
          addGenerationPrompt,
          timeLimit: TIME,
          now: new Date(0),
        });
      must(typeof render(MESSAGES, true) === "string", "no text");
      const prompt = createPassagePrompt({
        render: (messages, options) => render(messages, options.addGenerationPrompt),
        encode: (parts) => [...Buffer.from(parts.map((part) => part.text).join(""))],
        stopIds: [0x3e],
        ask: (question) => `\n${question}`,
      });
      must(prompt.contextIds("x").length > 0, "a context without tokens");
    };
    return Promise.resolve({
      make: (dice) => bytesCase(dice.chance(0.6) ? Buffer.from(jinja(dice)) : spliced(dice.pick(whole), dice), check),
      edges: function* () {
        for (const bytes of damages(whole[0] ?? new Uint8Array())) yield bytesCase(bytes, check);
      },
      close: () => Promise.resolve(),
    });
  },
};

/** A real template with pieces of others in it. */
function spliced(template: Uint8Array, dice: Dice): Uint8Array {
  if (dice.chance(0.5)) return mutateBytes(template, dice);
  const text = Buffer.from(template).toString("utf8");
  const at = dice.below(text.length + 1);
  return Buffer.from(text.slice(0, at) + jinja(dice) + text.slice(at + dice.below(20)));
}

const ROW = {
  text: "a b c ||| d",
  label: 1,
  list: ["x", { y: [1, 2] }],
  nothing: null,
  __proto__: 3,
  deep: { a: { b: { c: [] } } },
};

/** promptsource's templates.yaml: YAML with Jinja in it, applied to a row. */
export const promptTemplates: Target = {
  name: "prompt-templates",
  share: 15,
  open: () => {
    const check = (bytes: Uint8Array): void => {
      for (const { apply } of parsePromptTemplates(Buffer.from(bytes).toString("utf8"), "templates.yaml")) {
        let rendered;
        try {
          rendered = apply(ROW);
        } catch {
          continue; // A template that fails on a row is a fault of the row: told and passed over.
        }
        must(
          rendered === undefined || (rendered.prompt !== "" && rendered.answer !== ""),
          "a part of a prompt is empty",
        );
      }
    };
    return Promise.resolve({
      make: (dice) => bytesCase(yaml(dice), check),
      edges: function* () {
        for (const bytes of damages(Buffer.from(yamlOf("{{ text }} ||| {{ label }}", "{{ ['a','b'] | join('|||') }}"))))
          yield bytesCase(bytes, check);
      },
      close: () => Promise.resolve(),
    });
  },
};

function yamlOf(template: string, choices: string): string {
  const block = template.split("\n").join("\n      ");
  return `dataset: x\ntemplates:\n  0a1b: !Template\n    answer_choices: ${JSON.stringify(choices)}\n    id: 0a1b\n    jinja: |-\n      ${block}\n    metadata: !TemplateMetadata\n      languages: [en]\n    name: one\n    reference: ''\n`;
}

const YAML = [
  "&a ",
  "*a",
  "<<: *a\n",
  "!!python/object:os.system ",
  "!!js/function ",
  "? ",
  "- ",
  ": ",
  "%YAML 1.3\n---\n",
  "...\n",
  "---\n",
  "|9\n",
  ">-\n",
  "\t",
  "'",
  '"',
  "[",
  "{",
  "0o17",
  "!!binary x",
  "__proto__: 1\n",
  "~",
  "&a [*a]",
  "2001-01-01",
];

function yaml(dice: Dice): Uint8Array {
  if (dice.chance(0.004)) return Buffer.from(bomb(dice));
  let text = yamlOf(
    dice.chance(0.5) ? `${noLoops(jinja(dice))} ||| {{ label }}` : "{{ text }} ||| {{ label }}",
    dice.chance(0.3) ? noLoops(jinja(dice)) : "a ||| b",
  );
  for (let edits = dice.below(4); edits > 0; edits--) {
    const at = dice.below(text.length + 1);
    text =
      text.slice(0, at) + (dice.chance(0.7) ? dice.pick(YAML) : hostileText(dice)) + text.slice(at + dice.below(5));
  }
  const bytes = Buffer.from(text);
  return dice.chance(0.1) ? mutateBytes(bytes, dice) : bytes;
}

/** Loops run into the time limit, which takes five seconds here: the chat template's cases have them. */
function noLoops(template: string): string {
  return template
    .replaceAll("range(60000)", "range(6)")
    .replaceAll("{% macro f(a) %}", "{% macro f(a) %}{% endmacro %}{% macro g(a) %}");
}

function bomb(dice: Dice): string {
  const levels = Array.from(
    { length: 2 + dice.below(12) },
    (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(i === 0 ? 0 : 9)}x]\n`,
  );
  return dice.pick([
    `${levels.join("")}templates: *a1\n`,
    "[".repeat(1 + dice.below(20_000)),
    "{a: ".repeat(1 + dice.below(20_000)),
    "- ".repeat(1 + dice.below(20_000)),
    `templates: ${"? ".repeat(1 + dice.below(3000))}`,
  ]);
}
