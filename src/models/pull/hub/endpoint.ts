import { KvDistillError } from "../../../util/errors.ts";

/** A hub and how to speak to it. */
export interface HubEndpoint {
  /** Without a slash at the end. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether `headers` hold a token. */
  readonly authorised: boolean;
}

/**
 * The hub at `HF_ENDPOINT`, or else huggingface.co, with the token of `HF_TOKEN`. The token goes over https or to this
 * machine only.
 * @throws KvDistillError `bad-argument`.
 */
export function hubEndpoint(environment: Readonly<Record<string, string | undefined>> = process.env): HubEndpoint {
  const asked = environment.HF_ENDPOINT ?? "";
  const url = parse(asked === "" ? "https://huggingface.co" : asked);
  const token = (environment.HF_TOKEN ?? "").trim();
  if (token !== "" && !isPrivateTransport(url)) {
    throw new KvDistillError("bad-argument", "a token must not travel over plain http", {
      where: "HF_ENDPOINT",
      got: url.origin,
      hint: "use an https address, or unset HF_TOKEN",
    });
  }
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw new KvDistillError("bad-argument", "not a token", { where: "HF_TOKEN", expected: "printable ASCII" });
  }
  const headers = {
    // Compressed transfers can be neither measured nor resumed.
    "accept-encoding": "identity",
    "user-agent": "kv-distill",
    ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
  };
  return { url: url.href.replace(/\/+$/, ""), headers, authorised: token !== "" };
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.search + url.hash === "") {
    return url;
  }
  throw new KvDistillError("bad-argument", "not the address of a hub", {
    where: "HF_ENDPOINT",
    expected: "an http or https URL without user, query or fragment",
  });
}

function isPrivateTransport({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}
