import { DEFAULT_LIMITS, type Limits } from "../../server/limits.ts";
import { formatBytes } from "../../util/format.ts";
import { type OptionValues, option, optionOr, text } from "../spec.ts";
import { byteSize } from "../values/byte-size.ts";
import { wholeNumber } from "../values/whole-number.ts";
import { hostNames, origins } from "../values/web-names.ts";

const own = DEFAULT_LIMITS;
const bytes = (flags: string, description: string, fallback: number) =>
  optionOr(flags, description, byteSize, fallback, formatBytes(fallback));
const count = (flags: string, description: string, fallback: number) =>
  optionOr(flags, description, wholeNumber(), fallback);

/** Who may ask, and from where. */
export const accessOptions = {
  host: optionOr("--host <address>", "address to listen on", text, "127.0.0.1"),
  port: optionOr("-p, --port <n>", "port to listen on; 0 for any free one", wholeNumber({ min: 0, max: 65535 }), 8080),
  tokenFile: option("--token-file <file>", "tokens that clients must send, one a line", text),
  tokenEnv: option("--token-env <name>", "environment variable that holds them", text),
  allowHost: optionOr(
    "--allow-host <names>",
    "further names by which clients may call the server",
    hostNames,
    [],
    "none",
  ),
  cors: optionOr(
    "--cors <origins>",
    "web origins whose pages may ask, such as https://example.org",
    origins,
    [],
    "none",
  ),
} as const;

/** What requests may use. */
export const limitOptions = {
  quota: bytes("--quota <size>", "disk space for contexts; the least recently used are deleted", own.quotaBytes),
  queue: count("--queue <n>", "requests that may wait for the model", own.waiting),
  active: count("--active <n>", "requests that the model works on at once", own.active),
  maxBody: bytes("--max-body <size>", "longest JSON body", own.bodyBytes),
  maxUpload: bytes("--max-upload <size>", "largest uploaded .kvd", own.uploadBytes),
  maxTokens: count("-n, --max-tokens <n>", "longest answer, in tokens", own.answerTokens),
  maxContext: count("--max-context <n>", "longest text to compress, in tokens", own.contextTokens),
  maxContexts: count("--max-contexts <n>", "contexts of one client", own.contexts),
  maxSeconds: count("--max-seconds <n>", "longest work on a request", own.seconds),
  maxWait: count("--max-wait <n>", "longest wait for the model, in seconds", own.waitingSeconds),
  conversations: count("--conversations <n>", "live conversations of one client", own.conversations),
  conversationMemory: bytes("--conversation-memory <size>", "memory for all live conversations", own.conversationBytes),
} as const;

export function limitsOf(given: OptionValues<typeof limitOptions>): Limits {
  return {
    ...own,
    bodyBytes: given.maxBody,
    uploadBytes: given.maxUpload,
    answerTokens: given.maxTokens,
    contextTokens: given.maxContext,
    contexts: given.maxContexts,
    quotaBytes: given.quota,
    seconds: given.maxSeconds,
    active: given.active,
    waiting: given.queue,
    waitingSeconds: given.maxWait,
    conversations: given.conversations,
    conversationBytes: given.conversationMemory,
  };
}
