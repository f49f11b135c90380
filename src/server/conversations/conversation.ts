import { decode, type Reader } from "../../generate/decode.ts";
import type { LayerCache } from "../../models/layer-cache.ts";
import type { PromptMessage } from "../../models/passage-prompt.ts";
import { givenText, templateText } from "../../models/passage-prompt.ts";
import type { TextPart } from "../../models/tokenizer.ts";
import { KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import type { Answered } from "../answers/answer.ts";
import { chatParts } from "../answers/chat-parts.ts";
import { roomFor } from "../answers/prompt.ts";
import type { AnswerSettings } from "../answers/settings.ts";
import type { Encoder } from "../encoder/encoder.ts";
import type { LiveCache, LiveSpan } from "./live-cache.ts";

/** A message of a live conversation and the tokens that it takes, what the template writes in front of it included. */
export interface LiveMessage extends LiveSpan {
  /** "context" for a stored context at the beginning. */
  readonly role: PromptMessage["role"] | "context";
}

/** What a user's message makes of a conversation: read, then answered. */
export interface PlannedTurn {
  readonly content: string;
  readonly ids: readonly number[];
  /** Tokens of the message itself; the opening of the answer follows. */
  readonly messageTokens: number;
  /** Tokens of an answer for which the model has room. */
  readonly room: number;
}

/**
 * A chat whose cache stays with the model. Between requests everything said so far has been read, so any run of messages can be
 * compressed in place. One request at a time.
 */
export class Conversation {
  readonly live: LiveCache;
  private readonly encoder: Encoder;
  private readonly reader: Reader<LayerCache>;
  private spans: readonly LiveMessage[];
  /** Contents, to render what the template writes around new ones. */
  private contents: readonly PromptMessage[] = [];

  /**
   * @param live empty, or a stored context at its end
   * @param reader reads answers
   */
  constructor(live: LiveCache, encoder: Encoder, reader: Reader<LayerCache> = live.model) {
    this.live = live;
    this.encoder = encoder;
    this.reader = reader;
    this.spans = live.tokens === 0 ? [] : [{ role: "context", start: 0, end: live.tokens }];
  }

  get messages(): readonly LiveMessage[] {
    return this.spans;
  }

  /**
   * Reads messages that stand at the beginning.
   * @throws KvDistillError as `chatParts` and `LiveCache.read`; `bad-argument` after a context, which has the beginning
   */
  async begin(messages: readonly PromptMessage[], signal: AbortSignal): Promise<void> {
    if (messages.length === 0) return;
    if (this.spans.length > 0) {
      throw new KvDistillError("bad-argument", "the context has the conversation's beginning", {
        where: "messages",
        hint: "compress messages to a context",
      });
    }
    const parts = chatParts(this.live.model.files, messages).messages;
    const ids = await Promise.all(parts.map((own) => this.encoder.parts(own)));
    await this.live.read(ids.flat(), signal);
    let start = 0;
    this.spans = ids.map((own, i) => {
      const span = { role: messages[i]?.role ?? "user", start, end: start + own.length };
      start = span.end;
      return span;
    });
    this.contents = messages;
  }

  /**
   * Looks at a user's message: what of it the model will read.
   * @throws KvDistillError `bad-argument` when the template refuses the order of roles, `context-too-long`
   */
  async plan(content: string): Promise<PlannedTurn> {
    const { before, after } = this.around();
    const [own, opening] = await Promise.all([
      this.encoder.parts([...before, givenText(content.trim())]),
      this.encoder.parts([after]),
    ]);
    const ids = [...own, ...opening];
    const { rows, tokens, model } = this.live;
    const room = roomFor(model.config, { ids, before: { rows: rows.mostRows, position: tokens } });
    // The answer's last token is read too: the next message follows it.
    if (room < 2) {
      throw new KvDistillError("context-too-long", "the model has no room for an answer", {
        where: "content",
        hint: "compress a part of the conversation",
      });
    }
    return { content, ids, messageTokens: own.length, room: room - 1 };
  }

  /**
   * Reads a message and streams the answer. What fails or is left in the middle leaves the conversation as it was.
   * @throws KvDistillError `cancelled`, `not-finite`, what the engine throws
   */
  async *answer(
    { content, ids, messageTokens }: PlannedTurn,
    { maxTokens, sampling, seed }: Omit<AnswerSettings, "stops">,
    signal: AbortSignal,
  ): AsyncGenerator<string, Answered, undefined> {
    const { live } = this;
    const { model } = live;
    const { tokenizer } = model.files;
    const mark = live.mark();
    const given: number[] = [];
    let done = false;
    const tokens = decode(this.reader, live.rows, ids, {
      maxTokens,
      stopIds: tokenizer.eosIds,
      sampling,
      random: randomFromSeed(seed),
      signal,
    });
    try {
      const stream = tokenizer.stream({ skipSpecial: true });
      let text = "";
      let next = await tokens.next();
      for (; next.done !== true; next = await tokens.next()) {
        given.push(next.value);
        const piece = stream.push(next.value);
        text += piece;
        if (piece !== "") yield piece;
      }
      const rest = stream.end();
      if (rest !== "") yield rest;
      // The last token of an answer that was cut by length has not been read yet.
      if (next.value === "length") await model.forward({ ids: given.slice(-1), cache: live.rows, signal });
      live.noteRead([...ids, ...given]);
      const middle = mark.tokens + messageTokens;
      this.spans = [
        ...this.spans,
        { role: "user", start: mark.tokens, end: middle },
        { role: "assistant", start: middle, end: live.tokens },
      ];
      this.contents = [...this.contents, { role: "user", content }, { role: "assistant", content: text + rest }];
      done = true;
      return { finish: next.value, tokens: given.length };
    } finally {
      await tokens.return("stop");
      if (!done) live.rollBack(mark);
    }
  }

  /** What the template writes in front of the next message of the user, and from after it to where the answer begins. */
  private around(): { readonly before: readonly TextPart[]; readonly after: TextPart } {
    const { files } = this.live.model;
    const hasContext = this.spans[0]?.role === "context";
    if (hasContext && this.contents.length === 0) {
      // The context's own turn goes on.
      const { tail } = chatParts(files, [{ role: "user", content: "" }]);
      return { before: [templateText("\n\n")], after: tail };
    }
    const { messages, tail } = chatParts(files, [...this.contents, { role: "user", content: "" }]);
    const [own] = messages.slice(-1);
    return { before: own === undefined ? [] : [own[0]], after: tail };
  }

  release(): void {
    this.live.release();
  }
}
