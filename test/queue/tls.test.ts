import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test, vi } from "vitest";
import { hashes, writeDocuments } from "./files.ts";
import { freePort, redisServer } from "./redis-server.ts";
import { useSetting } from "./setting.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const openssl = spawnSync("openssl", ["version"]).status === 0;
if (!openssl) console.warn("without openssl on the PATH, which makes certificates, a queue with TLS is not tested");

/** Keys and certificates of an authority of the tests' own, and of a server at 127.0.0.1. */
function certificates(): { readonly folder: string; readonly authority: string; readonly server: readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), "kv-distill-tls-"));
  const at = (name: string): string => join(folder, name);
  const make = (...args: string[]): void => {
    execFileSync("openssl", args, { stdio: "pipe" });
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  make("req", "-x509", ...newKey, "-subj", "/CN=tests", "-keyout", at("ca.key"), "-out", at("ca.crt"));
  const signed = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-addext", "subjectAltName=IP:127.0.0.1"];
  make("req", "-x509", ...newKey, "-subj", "/CN=redis", ...signed, "-keyout", at("own.key"), "-out", at("own.crt"));
  const files = ["--tls-cert-file", at("own.crt"), "--tls-key-file", at("own.key"), "--tls-ca-cert-file", at("ca.crt")];
  return { folder, authority: at("ca.crt"), server: [...files, "--tls-auth-clients", "no"] };
}

/** Of the commands that can do harm, those that are needed: to see that the server is ready, and who works. */
const ALLOWED = ["+info", "+client|list"];

const isHere = redisServer && openssl;
const made = isHere ? certificates() : undefined;
const port = await freePort();

describe.skipIf(!isHere)("a queue with TLS and a password", () => {
  const setting = useSetting({
    redis: ["--requirepass", "open-sesame", "--tls-port", String(port), ...(made?.server ?? [])],
  });
  afterAll(() => {
    if (made !== undefined) rmSync(made.folder, { recursive: true });
  });
  const url = (password: string, user = ""): string => `rediss://${user}:${password}@127.0.0.1:${port}`;
  const trusting = { NODE_EXTRA_CA_CERTS: made?.authority ?? "" };
  const send = async (out: string, password: string, environment: Readonly<Record<string, string>>, user?: string) => {
    const texts = { "a.txt": "The mill by the river burned.", "b.txt": "It was built again of grey stone." };
    const from = await writeDocuments(join(setting.work(), `${out}-documents`), texts);
    const work = [
      "compress",
      from,
      "--model",
      setting.modelFolder(),
      "--method",
      "streaming",
      "--keep",
      "50%",
      "--threads",
      "1",
    ];
    const link = ["--queue", url(password, user), "--store", setting.store()];
    return setting.command([...work, "-o", join(setting.work(), out), ...link], { environment }).end;
  };

  test("is used by its URL, and nobody is warned of anything", async () => {
    const worker = await setting.workerProcess("one", { queue: url("open-sesame"), environment: trusting });
    const { code, stderr } = await send("whole", "open-sesame", trusting);
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/warn/i)]);
    expect(Object.keys(await hashes(join(setting.work(), "whole")))).toEqual(
      expect.arrayContaining(["a.txt.kvd", "b.txt.kvd"]),
    );
    expect(worker.told()).not.toMatch(/warn/i);
  });

  test("is used by a user of its own that may use the keys bull:* alone", async () => {
    const [admin, narrow] = [setting.redis().client(), url("shut-sesame", "narrow")];
    await admin.call("ACL", "SETUSER", "narrow", "on", ">shut-sesame", "~bull:*", "+@all", "-@dangerous", ...ALLOWED);
    await setting.workerProcess("two", { queue: narrow, environment: trusting });
    const { code, stderr } = await send("narrow", "shut-sesame", trusting, "narrow");
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/warn|NOPERM/i)]);
    const told = setting.command(["jobs", "--queue", narrow, "--json"], { environment: trusting });
    const { stdout } = await told.end;
    expect(JSON.parse(stdout)).toMatchObject({ runs: [{ state: "done" }], workers: [{ name: "two" }] });
    await admin.call("ACL", "DELUSER", "narrow");
    admin.disconnect();
  });

  test.each([
    ["a certificate that nobody vouches for", "open-sesame", {}],
    ["a wrong password", "open-barley", trusting],
  ])("is refused at once for %s, and the password is not told", async (_, password, environment) => {
    const { code, stderr } = await send("none", password, environment);
    expect(code).not.toBe(0);
    expect(stderr).toContain(`[network] rediss://127.0.0.1:${port}`);
    // Nor in what is logged for finding faults, which is on here.
    expect(stderr).not.toContain(password);
  });
});
