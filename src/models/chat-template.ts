import { KvDistillError, messageOf } from "../util/errors.ts";
import { quote } from "../util/quote.ts";
import { TimeIsUp, withinTime } from "../util/within-time.ts";
import { BoundedInterpreter } from "./chat/bounded-interpreter.ts";
import { setGlobals } from "./chat/globals.ts";
import { Environment, parse, tokenize } from "./chat/jinja.ts";
import { TEMPLATE_LIMITS, TemplateLimitReached, TemplateRefusal } from "./chat/limits.ts";

/** A model's own Jinja template, out of its files. Never made from what a person or a request sends. */
export interface ChatTemplate {
  readonly text: string;
  /** `bos_token`, `eos_token` and the like, which templates refer to by name. */
  readonly specialTokens: Readonly<Record<string, string>>;
  /** The file it is from, for messages. */
  readonly where: string;
}

export interface ChatMessage {
  /** "system", "user" or "assistant"; templates may know others. */
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** End with the opening of an assistant's turn. */
  readonly addGenerationPrompt: boolean;
  /** What `strftime_now` tells the template; the present when absent. */
  readonly now?: Date;
  /** Milliseconds after which rendering is stopped; `TEMPLATE_LIMITS.time` when absent. */
  readonly timeLimit?: number;
}

/**
 * The messages as the one text that the model was trained to read, as transformers' `apply_chat_template` renders it.
 * The template runs in an interpreter without access to anything else, within `TEMPLATE_LIMITS`. One operation
 * inside the interpreter can still allocate up to JavaScript's largest string before it is stopped; outside Node the time is
 * looked at between operations only.
 * @throws KvDistillError `bad-file` for a template that is not Jinja or fails, `bad-argument` when the template refuses the
 * messages, `too-large` when it exceeds a limit.
 */
export function renderChat(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  { addGenerationPrompt, now = new Date(), timeLimit = TEMPLATE_LIMITS.time }: RenderOptions,
): string {
  const { text, where } = template;
  if (text.length > TEMPLATE_LIMITS.templateLength) {
    throw new KvDistillError("too-large", "the chat template is over the limit", {
      where,
      expected: `at most ${TEMPLATE_LIMITS.templateLength} characters`,
      got: text.length.toString(),
    });
  }
  const variables = { ...template.specialTokens, messages, add_generation_prompt: addGenerationPrompt };
  try {
    const bounds = { size: sizeOf(messages), deadline: performance.now() + timeLimit };
    return withinTime(() => render(text, variables, now, bounds), timeLimit);
  } catch (error) {
    throw explain(error, where);
  }
}

function sizeOf(messages: readonly ChatMessage[]): number {
  return messages.reduce((sum, message) => sum + message.role.length + message.content.length, 0);
}

interface Bounds {
  /** UTF-16 units of the messages. */
  readonly size: number;
  /** When to stop where nothing else stops it, on the clock of `performance.now()`. */
  readonly deadline: number;
}

function render(
  text: string,
  variables: Readonly<Record<string, unknown>>,
  now: Date,
  { size, deadline }: Bounds,
): string {
  const listLength = TEMPLATE_LIMITS.listLength + 2 * size;
  const environment = new Environment();
  setGlobals(environment, now, listLength);
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  const program = parse(tokenize(text, { lstrip_blocks: true, trim_blocks: true }));
  const limits = { textLength: TEMPLATE_LIMITS.textLength + 16 * size, listLength, deadline };
  return String(new BoundedInterpreter(environment, limits).run(program).value);
}

function explain(error: unknown, where: string): KvDistillError {
  if (error instanceof TemplateRefusal) {
    return new KvDistillError("bad-argument", "the model's chat template refuses these messages", {
      where,
      got: quote(error.message),
      cause: error,
    });
  }
  if (error instanceof RangeError || error instanceof TemplateLimitReached || error instanceof TimeIsUp) {
    return new KvDistillError("too-large", "the chat template does more than it may", {
      where,
      got: messageOf(error),
      cause: error,
    });
  }
  return new KvDistillError("bad-file", "the chat template fails", {
    where,
    got: quote(messageOf(error)),
    cause: error,
  });
}
