import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { BoundedInterpreter } from "../../../models/chat/bounded-interpreter.ts";
import { Environment, parse, type Program, tokenize } from "../../../models/chat/jinja.ts";
import { TEMPLATE_LIMITS } from "../../../models/chat/limits.ts";
import { KvDistillError, messageOf } from "../../../util/errors.ts";
import { isJsonObject } from "../../../util/strict-json.ts";
import { withinTime } from "../../../util/within-time.ts";
import { describe } from "../../read-rows.ts";

/** A prompt and what is to follow it, out of one row. */
export interface RenderedPrompt {
  readonly prompt: string;
  readonly answer: string;
}

/** A promptsource template, ready to be applied. */
export interface PromptTemplate {
  readonly name: string;
  /**
   * Undefined where the template gives this row nothing, as templates do for rows that they do not fit.
   * @throws Error when the template fails on the row or does more than it may.
   */
  readonly apply: (fields: Readonly<Record<string, unknown>>) => RenderedPrompt | undefined;
}

const fileSchema = z.object({
  templates: z.record(
    z.string(),
    z.object({ name: z.string(), jinja: z.string(), answer_choices: z.string().nullish() }),
  ),
});

/** Stands in a row's texts for the mark that divides prompt and answer. */
const PIPE = "|||";
const PROTECTED_PIPE = "\u0000pipe\u0000";

/**
 * The templates of a promptsource `templates.yaml`, in the order of the file.
 * @param where the file, for messages
 * @throws KvDistillError `bad-file` for what is no such file or no Jinja, `too-large`.
 */
export function parsePromptTemplates(text: string, where: string): PromptTemplate[] {
  const result = fileSchema.safeParse(yamlOf(text, where));
  if (!result.success) {
    throw new KvDistillError("bad-file", "not a file of prompt templates", { where, got: describe(result.error) });
  }
  return Object.values(result.data.templates).map(({ name, jinja, answer_choices: choices }) => {
    const program = compile(jinja, name, where);
    const choicesProgram = choices == null ? undefined : compile(choices, name, where);
    return { name, apply: (fields) => apply(program, choicesProgram, fields) };
  });
}

function yamlOf(text: string, where: string): unknown {
  try {
    // Tags name Python classes; without a meaning here they are passed over.
    return parseYaml(text, { logLevel: "error" }) as unknown;
  } catch (cause) {
    throw new KvDistillError("bad-file", "not YAML", { where, got: messageOf(cause), cause });
  }
}

function compile(jinja: string, name: string, where: string): Program {
  if (jinja.length > TEMPLATE_LIMITS.templateLength) {
    throw new KvDistillError("too-large", "a template is over the limit", { where: `${where}: ${name}` });
  }
  try {
    return withFilters(parse(tokenize(jinja, { lstrip_blocks: false, trim_blocks: false }))) as Program;
  } catch (cause) {
    throw new KvDistillError("bad-file", "a template is not Jinja", {
      where: `${where}: ${name}`,
      got: messageOf(cause),
      cause,
    });
  }
}

function apply(
  program: Program,
  choices: Program | undefined,
  fields: Readonly<Record<string, unknown>>,
): RenderedPrompt | undefined {
  const safe = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      typeof value === "string" ? value.replaceAll(PIPE, PROTECTED_PIPE) : value,
    ]),
  );
  const options = choices === undefined ? null : render(choices, safe).split(PIPE).map(restored);
  const [prompt = "", answer = ""] = render(program, { ...safe, answer_choices: options })
    .split(PIPE)
    .map(restored);
  return prompt === "" || answer === "" ? undefined : { prompt, answer };
}

function restored(text: string): string {
  return text.replaceAll(PROTECTED_PIPE, PIPE).trim();
}

function render(program: Program, variables: Readonly<Record<string, unknown>>): string {
  const work = (): string => {
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...CONSTANTS, ...FUNCTIONS })) environment.set(name, value);
    // A row may have a field of such a name; it is what the template means.
    const own = new Environment(environment);
    for (const [name, value] of Object.entries(variables)) own.set(name, value);
    const { textLength, listLength } = TEMPLATE_LIMITS;
    return String(new BoundedInterpreter(own, { textLength, listLength }).run(program).value);
  };
  return withinTime(work, TEMPLATE_LIMITS.time);
}

const CONSTANTS = { true: true, false: false, none: null, True: true, False: false, None: null };

/**
 * What promptsource adds to Jinja. Its `choice` draws one at random; here it is the first one, so that a data set is the same
 * each time it is made.
 */
const FUNCTIONS: Readonly<Record<string, (...values: unknown[]) => unknown>> = {
  choice: (items) => plain(items)[0],
  most_frequent: (items) => mostFrequent(plain(items)),
  zip: (...lists) => {
    const each = lists.map(plain);
    const length = Math.min(...each.map((list) => list.length));
    return Array.from({ length }, (_, at) => each.map((list) => list[at]));
  },
  range: (first, second) => {
    const [start, stop] = second === undefined ? [0, Number(first)] : [Number(first), Number(second)];
    const length = Math.max(0, stop - start);
    if (!(length <= TEMPLATE_LIMITS.listLength)) throw new RangeError(`range() of ${length} items`);
    return Array.from({ length }, (_, at) => start + at);
  },
};
/** Of `FUNCTIONS`, those that templates write as filters. */
const FILTERS = new Set(["choice", "most_frequent"]);

function mostFrequent(items: readonly unknown[]): unknown[] {
  const counts = new Map<unknown, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return [...counts].filter(([, count]) => count === most).map(([item]) => item);
}

/** A list handed to a function holds the interpreter's values, each with its own in `value`. */
function plain(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError("not a list");
  return value.map((item: unknown) => {
    const inner = isJsonObject(item) && "value" in item ? item.value : item;
    return Array.isArray(inner) ? plain(inner) : inner;
  });
}

/** Filters that the interpreter does not know become calls of functions. */
function withFilters(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withFilters);
  if (typeof node !== "object" || node === null) return node;
  const fields = node as Record<string, unknown>;
  for (const [key, value] of Object.entries(fields)) fields[key] = withFilters(value);
  const filter = fields.type === "FilterExpression" ? fields.filter : undefined;
  if (!isJsonObject(filter) || filter.type !== "Identifier" || !FILTERS.has(String(filter.value))) return node;
  return { type: "CallExpression", callee: filter, args: [fields.operand] };
}
