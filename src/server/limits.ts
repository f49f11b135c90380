/** What one request, one client and the server as a whole may use. */
export interface Limits {
  /** Bytes of a JSON body. */
  readonly bodyBytes: number;
  /** Bytes of an uploaded cache. */
  readonly uploadBytes: number;
  /** Messages of a chat. */
  readonly messages: number;
  /** Tokens of an answer. */
  readonly answerTokens: number;
  /** Tokens of a context to compress. */
  readonly contextTokens: number;
  /** Contexts of one client. */
  readonly contexts: number;
  /** Bytes of all stored contexts. */
  readonly quotaBytes: number;
  /** Seconds that the model may work on a request. */
  readonly seconds: number;
  /** Requests that the model works on at once. */
  readonly active: number;
  /** Requests that wait for their turn; one more is refused. */
  readonly waiting: number;
  /** Seconds that a request may wait for its turn. */
  readonly waitingSeconds: number;
  /** Conversations of one client. */
  readonly conversations: number;
  /** Bytes of all conversations' caches. */
  readonly conversationBytes: number;
}

export const DEFAULT_LIMITS: Limits = {
  bodyBytes: 4 * 2 ** 20,
  uploadBytes: 256 * 2 ** 20,
  messages: 1000,
  answerTokens: 4096,
  contextTokens: 100_000,
  contexts: 1000,
  quotaBytes: 10 * 2 ** 30,
  seconds: 300,
  active: 16,
  waiting: 64,
  waitingSeconds: 60,
  conversations: 16,
  conversationBytes: 2 ** 30,
};
