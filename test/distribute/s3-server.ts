import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

/** A stand-in for an S3-compatible store, which can be as slow and as wrong as a real one at its worst. */
export interface S3Server {
  /** The store's place for `--store`. */
  readonly place: string;
  /** Of all objects, without the bucket. */
  keys(): string[];
  /**
   * The first request from now on for a key that fits, after `skip` others: what it asks is done at once, but it is told so when it is released.
   */
  hold(method: "GET" | "PUT", key: RegExp, skip?: number): Held;
  /** What has been written and read so far, in order. */
  readonly traffic: readonly Transfer[];
  /** So many readings of keys that fit give other bytes than were written. */
  spoil(key: RegExp, times: number): void;
  /** Nothing is spoiled or kept back any more. */
  mend(): void;
  close(): void;
}

/** A file that went into the store or out of it. */
export interface Transfer {
  readonly method: "GET" | "PUT";
  readonly key: string;
  readonly bytes: number;
  /** Of the tensors in it, when it is a file of tensors. */
  readonly tensorBytes: number;
}

/** A request whose answer is kept back. */
export interface Held {
  /** Resolves with the key, without the bucket. */
  readonly came: Promise<string>;
  readonly release: () => void;
}

interface Awaited {
  readonly method: string;
  readonly key: RegExp;
  skip: number;
  readonly come: (key: string) => void;
  readonly release: () => void;
  readonly released: Promise<void>;
}

const BUCKET = "bucket";

/**
 * Answers the four requests of S3's REST interface that the store makes, in path style.
 * @param host address that it listens at; its place names this machine's own
 */
export async function startS3(host = "127.0.0.1"): Promise<S3Server> {
  const objects = new Map<string, Buffer>();
  const held: Awaited[] = [];
  const keptBack = new Set<Awaited>();
  const traffic: Transfer[] = [];
  const note = (method: Transfer["method"], key: string, file: Buffer): void => {
    // A safetensors file: the header's length in eight bytes, the header, the tensors.
    const tensorBytes = key.endsWith(".safetensors") ? file.length - 8 - Number(file.readBigUInt64LE(0)) : 0;
    traffic.push({ method, key, bytes: file.length, tensorBytes });
  };
  const spoiled: { readonly key: RegExp; left: number }[] = [];

  const list = (prefix: string, from: number): string => {
    const all = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const entries = all
      .slice(from, from + 2)
      .map(
        (key) =>
          `<Contents><Key>${key}</Key><Size>${objects.get(key)?.length ?? 0}</Size>` +
          `<LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>`,
      );
    const next = from + 2 < all.length ? `<NextContinuationToken>${from + 2}</NextContinuationToken>` : "";
    return `<?xml version="1.0"?><ListBucketResult>${entries.join("")}${next}</ListBucketResult>`;
  };
  const isSpoiled = (key: string): boolean => {
    const fault = spoiled.find((own) => own.left > 0 && own.key.test(key));
    if (fault !== undefined) fault.left--;
    return fault !== undefined;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
    const { method = "" } = request;
    const key = decodeURIComponent(pathname.slice(`/${BUCKET}/`.length));
    const body = await buffer(request);
    if (searchParams.get("list-type") === "2") {
      response.end(list(searchParams.get("prefix") ?? "", Number(searchParams.get("continuation-token") ?? 0)));
      return;
    }
    const found = objects.get(key);
    if (method === "PUT") {
      objects.set(key, body);
      note(method, key, body);
    } else if (method === "GET" && found !== undefined) note(method, key, found);
    const one = held.find((own) => own.method === method && own.key.test(key) && own.skip-- === 0);
    if (one !== undefined) {
      held.splice(held.indexOf(one), 1);
      keptBack.add(one);
      one.come(key);
      await one.released;
      keptBack.delete(one);
    }
    if (method === "PUT") response.end();
    else if (method === "DELETE") {
      objects.delete(key);
      response.writeHead(204).end();
    } else if (found === undefined) {
      response.writeHead(404).end(`<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`);
    } else response.end(isSpoiled(key) ? Buffer.alloc(found.length, "x") : found);
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  process.env.AWS_ACCESS_KEY_ID = "someone";
  process.env.AWS_SECRET_ACCESS_KEY = "secret";
  return {
    place: `s3://${BUCKET}/pre/fix?endpoint=http://127.0.0.1:${port}&region=nowhere`,
    keys: () => [...objects.keys()].sort(),
    traffic,
    hold: (method, key, skip = 0) => {
      let come: Awaited["come"] = () => undefined;
      let release = (): void => undefined;
      const came = new Promise<string>((resolve) => (come = resolve));
      const released = new Promise<void>((resolve) => (release = resolve));
      held.push({ method, key, skip, come, release, released });
      return { came, release };
    },
    spoil: (key, times) => {
      spoiled.push({ key, left: times });
    },
    mend: () => {
      spoiled.length = 0;
      held.length = 0;
      for (const { release } of keptBack) release();
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
