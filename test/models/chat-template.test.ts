import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { strftime } from "../../src/models/chat/globals.ts";
import { TEMPLATE_LIMITS } from "../../src/models/chat/limits.ts";
import { renderChat, type ChatMessage, type ChatTemplate } from "../../src/models/chat-template.ts";

const read = (name: string) => readFileSync(new URL(`../golden/chat-templates/${name}`, import.meta.url), "utf8");

interface Case {
  readonly template: string;
  readonly messages: readonly ChatMessage[];
  readonly addGenerationPrompt: boolean;
  readonly text: string | null;
}
const cases = JSON.parse(read("cases.json")) as readonly Case[];
const now = new Date(2025, 2, 7, 4, 5, 6);

function template(text: string): ChatTemplate {
  return { text, specialTokens: { bos_token: "<s>", eos_token: "</s>" }, where: "test.jinja" };
}
const render = (text: string, messages: readonly ChatMessage[] = [{ role: "user", content: "hi" }]) =>
  renderChat(template(text), messages, { addGenerationPrompt: false, now });

function withCode(code: string): Error {
  return expect.objectContaining({ code }) as Error;
}

describe.each([...new Set(cases.map((each) => each.template))])("%s", (name) => {
  test("renders as transformers does, and refuses what transformers refuses", () => {
    for (const { messages, addGenerationPrompt, text } of cases.filter((each) => each.template === name)) {
      const ours = () => renderChat(template(read(name)), messages, { addGenerationPrompt, now });
      if (text === null) expect(ours).toThrow(withCode("bad-argument"));
      else expect({ messages, text: ours() }).toEqual({ messages, text });
    }
  });
});

test("a template's refusal is told in its own words", () => {
  expect(() => render("{{ raise_exception('roles must alternate') }}")).toThrow(/refuses.*roles must alternate/);
});

test.each(["{% for %}", "{{ 1 +", "{{ nothing() }}", "{{ 1 | nofilter }}"])("%s is a broken template", (text) => {
  expect(() => render(text)).toThrow(withCode("bad-file"));
});

test("lists and dictionaries are equal by what they hold, as in Python", () => {
  const comparisons: Record<string, boolean> = {
    "[] == []": true,
    "[1, ['a']] == [1, ['a']]": true,
    "[1, ['a']] == [1, ['b']]": false,
    "[1] == [1, 2]": false,
    "{'a': [1], 'b': 2} == {'b': 2, 'a': [1]}": true,
    "{'a': 1} == {'a': 2}": false,
    "{'a': 1} == {'b': 1}": false,
    "[] == {}": false,
    "[] == ''": false,
    "['1'] == '1'": false,
    "messages == messages": true,
    "'a' == 'a'": true,
    "1 == 1.0": true,
    "none == none": true,
    "[[1] == [1]] == [[2] == [2]]": true,
  };
  for (const [comparison, equal] of Object.entries(comparisons)) {
    const opposite = comparison.replace(/ == (?!.* == )/, " != ");
    expect([comparison, render(`{{ 'yes' if ${comparison} else 'no' }}`)]).toEqual([comparison, equal ? "yes" : "no"]);
    if (comparison.split(" == ").length > 2) continue;
    expect([opposite, render(`{{ 'yes' if ${opposite} else 'no' }}`)]).toEqual([opposite, equal ? "no" : "yes"]);
  }
});

test("S5: messages cannot become template code", () => {
  expect(render("{{ messages[0].content }}", [{ role: "user", content: "{{ 7 * 7 }}{% raw %}" }])).toBe(
    "{{ 7 * 7 }}{% raw %}",
  );
});

test.each([
  "{{ ''.constructor }}{{ messages.constructor }}{{ range.constructor }}",
  "{{ messages.__proto__ }}{{ ''['constructor'] }}{{ raise_exception['constructor'] }}",
  "{{ process }}{{ globalThis }}{{ require }}{{ self }}",
])("%s reaches nothing of JavaScript", (text) => {
  expect(render(text)).toBe("");
});

describe("bounded work", () => {
  const doubling = (value: string) =>
    `{% set ns = namespace(v=${value}) %}{% for i in range(60) %}{% set ns.v = ns.v + ns.v %}{% endfor %}`;

  test.each([
    ["a long template", "x".repeat(TEMPLATE_LIMITS.templateLength + 1)],
    ["a text doubled again and again", doubling("'x'")],
    ["a list doubled again and again", doubling("[1]")],
    ["a huge range", "{{ range(1000000000) }}"],
    ["an endless range", "{{ range(0, 1, 0) }}"],
    ["deep nesting", `${"(".repeat(20_000)}1`.replace(/^/, "{{ ") + `${")".repeat(20_000)} }}`],
  ])("%s", (_, text) => {
    expect(() => render(text)).toThrow(withCode("too-large"));
  });

  test("S4: endless recursion", () => {
    const text = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    expect(() => render(text)).toThrow(/chat template/);
  });

  test("S4: loops within loops", () => {
    const text = "{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}";
    const options = { addGenerationPrompt: false, timeLimit: 50 };
    expect(() => renderChat(template(text), [], options)).toThrow(withCode("too-large"));
  });

  test("a long document passes", () => {
    const content = "word ".repeat(400_000);
    expect(render("{{ messages[0].content | trim }}!", [{ role: "user", content }])).toBe(`${content.trim()}!`);
  });
});

test("dates are English whatever the locale", () => {
  expect(strftime("%A %a %d %B %b %Y %y %m %H:%M:%S %%", now)).toBe("Friday Fri 07 March Mar 2025 25 03 04:05:06 %");
});
