import { systemCodeOf } from "../util/disk-error.ts";
import { coloursFor, isLiveTerminal } from "../util/terminal.ts";
import type { Output } from "./context.ts";

/**
 * Results on a stream.
 * @param onClosed called once when the reader has gone away (`| head`); what is written after that is dropped
 * @param onFailed called with any other error of the stream, such as a full disk
 */
export function streamOutput(
  stream: NodeJS.WriteStream,
  onClosed: () => void,
  onFailed: (error: Error) => void,
): Output {
  let open = true;
  stream.on("error", (error: Error) => {
    if (!open) return;
    open = false;
    if (systemCodeOf(error) === "EPIPE") onClosed();
    else onFailed(error);
  });
  const write = (text: string): void => {
    if (open) stream.write(text);
  };
  const isTerminal = isLiveTerminal(stream);
  return {
    write,
    line: (text) => {
      write(`${text}\n`);
    },
    json: (value) => {
      write(`${JSON.stringify(value)}\n`);
    },
    isTerminal,
    width: isTerminal ? stream.columns : undefined,
    colours: coloursFor(stream),
  };
}
