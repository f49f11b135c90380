import { type ChildProcessByStdio, spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { packageHash } from "../../src/distribute/identity.ts";
import { parseRedisUrl } from "../../src/distribute/redis/address.ts";
import { openStore } from "../../src/distribute/store/open-store.ts";
import { QueueToken } from "../../src/distribute/token.ts";
import { runWorker } from "../../src/distribute/worker/run-worker.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { openModel } from "../../src/models/open.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { createLogger } from "../../src/util/log.ts";
import { type S3Server, startS3 } from "../distribute/s3-server.ts";
import { startVersity, type VersityServer } from "../distribute/versity-server.ts";
import { editJson, rewrite, tinyModel } from "../models/tiny-models.ts";
import { startRedis, type TestRedis } from "./redis-server.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsx = import.meta.resolve("tsx");

const LOCK_SECONDS = 4;
export const TOKEN = "0123456789abcdef0123456789abcdef";

/** A command in a process of its own. */
export interface Command {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  /** What it has told on stderr and stdout so far. */
  readonly told: () => string;
  /** Resolves when it has told something. @throws Error when it ends without */
  readonly tells: (what: RegExp, times?: number) => Promise<void>;
  /** Its exit code and streams, when it has ended. */
  readonly end: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

export interface Setting {
  readonly redis: () => TestRedis;
  /** Folder of the tests. */
  readonly work: () => string;
  /** A tiny random model, in this process. */
  readonly model: () => LanguageModel;
  /** One with other weights. */
  readonly otherModel: () => LanguageModel;
  readonly modelFolder: () => string;
  /**
   * What `--store` names: a folder, or a stand-in for S3 where the tests of a file ask for one. Each test has its own, so that what workers that
   * were stopped still write after its end is no other's.
   */
  readonly store: () => string;
  readonly s3: () => S3Server;
  /** Folders of runs that are in the store. */
  readonly storedRuns: () => Promise<string[]>;
  /** Starts a command in a process of its own; what still runs after a test is killed. */
  readonly command: (args: readonly string[], options?: StartOptions) => Command;
  /** Starts a worker in a process of its own and waits until it is ready. */
  readonly workerProcess: (name: string, options?: WorkerStart) => Promise<Command>;
  /** Starts a worker in this process and waits until it is ready. */
  readonly workerHere: (name: string, options?: WorkerHere) => Promise<HereWorker>;
  /** Stops the workers of this process; so does the end of a test. */
  readonly dismiss: () => Promise<void>;
}

/** A worker of this process. */
export interface HereWorker {
  /** What it has told so far, as people read it at the level `debug`. */
  readonly told: () => string;
  /** Names of the jobs that it has done. */
  readonly done: () => string[];
  /** Stops it: the job in progress goes back. */
  readonly leave: () => Promise<void>;
}

export interface WorkerHere {
  readonly queue?: string;
  readonly token?: string;
  readonly scratch?: string;
  /** Another model than the one that jobs name. */
  readonly model?: LanguageModel;
  /** As of `WorkerStart`. */
  readonly lockSeconds?: number;
}

export interface StartOptions {
  /** Folder of the package, when not this one. */
  readonly package?: string;
  /** What is put in front of the command. */
  readonly through?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface SettingOptions {
  /** Arguments for Redis. */
  readonly redis?: readonly string[];
  /** Files go to a stand-in for S3, to one that other hosts reach too, or to a real S3 server, not to a folder. */
  readonly s3?: boolean | "reachable" | "real";
}

export interface WorkerStart extends StartOptions {
  readonly queue?: string;
  readonly store?: string;
  /** Of silence after which its job goes to another; default 4. Longer where a busy machine must not take a worker for dead. */
  readonly lockSeconds?: number;
}

/** A tiny random model, a Redis server and a store for all tests of a file; the workers of a test end with it. */
export function useSetting({ redis: redisExtra = [], s3: withS3 = false }: SettingOptions = {}): Setting {
  let work = "";
  let redis: TestRedis | undefined;
  let s3: S3Server | undefined;
  let real: VersityServer | undefined;
  let model: LanguageModel | undefined;
  let other: LanguageModel | undefined;
  const here: { readonly stop: AbortController; readonly end: Promise<void> }[] = [];
  const started: Command[] = [];
  let tests = 0;
  beforeEach(() => {
    tests++;
  });
  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), "kv-distill-queue-"));
    const folder = await rewrite(tinyModel("llama"), join(work, "model"), (weights) => {
      // Larger weights than a fresh model's, so that what is read matters to what is said.
      for (const { values } of weights.values()) values.forEach((value, i) => (values[i] = 4 * value));
    });
    await editJson(join(folder, "config.json"), (config) => {
      config.max_position_embeddings = 400;
    });
    const second = await rewrite(folder, join(work, "other"), (weights) => {
      for (const { values } of weights.values()) values.reverse();
    });
    [model, other] = await withHome(join(work, "home"), () => Promise.all([folder, second].map(opened)));
    await mkdir(join(work, "scratch"));
    // A process that starts after the sources were edited is of another package: it would refuse.
    await packageHash();
    redis = await startRedis(join(work, "redis"), redisExtra);
    if (withS3 === "real") real = await startVersity(join(work, "versity"));
    else if (withS3 !== false) s3 = await startS3(withS3 === "reachable" ? "0.0.0.0" : undefined);
  });
  afterAll(async () => {
    await model?.close();
    await other?.close();
    await redis?.stop();
    s3?.close();
    await real?.stop();
    await rm(work, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const { child } of started) child.kill("SIGKILL");
    await Promise.all(started.splice(0).map(({ end }) => end));
    await dismiss();
    s3?.mend();
    const client = there(redis).client();
    await client.flushall();
    client.disconnect();
  });
  const dismiss = async (): Promise<void> => {
    for (const { stop } of here) stop.abort();
    await Promise.all(here.splice(0).map(({ end }) => end));
  };
  const start = (
    args: readonly string[],
    { package: home = root, through = [], environment = {} }: StartOptions = {},
  ): Command => {
    const [command = "", ...rest] = [
      ...through,
      process.execPath,
      "--import",
      tsx,
      join(home, "src/cli/main.ts"),
      ...args,
    ];
    const env = {
      ...process.env,
      KV_DISTILL_HOME: join(work, "home"),
      KV_DISTILL_QUEUE_TOKEN: TOKEN,
      KV_DISTILL_STORE: "",
      KV_DISTILL_LOG: "debug",
      NO_COLOR: "1",
      ...environment,
    };
    const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"], env });
    let said = "";
    const written = { stdout: "", stderr: "" };
    const listeners = new Set<() => void>();
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (piece: string) => {
        said += piece;
        written[name] += piece;
        for (const listener of listeners) listener();
      });
    }
    const code = new Promise<number | null>((resolve, reject) => {
      child.on("error", reject).on("close", resolve);
    });
    const end = code.then((own) => ({ code: own, ...written }));
    const tells: Command["tells"] = (what, times = 1) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if ([...said.matchAll(new RegExp(what, "g"))].length < times) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        void end.then(() => {
          reject(new Error(`the command ended without telling ${String(what)}:\n${said}`));
        });
        look();
      });
    const made = { child, told: () => said, tells, end };
    started.push(made);
    return made;
  };
  const setting: Setting = {
    redis: () => there(redis),
    work: () => work,
    model: () => there(model),
    otherModel: () => there(other),
    modelFolder: () => join(work, "model"),
    store: () => (real ?? s3)?.place.replace("?", `/test-${tests}?`) ?? join(work, "stores", `test-${tests}`),
    s3: () => there(s3),
    storedRuns: async () => {
      const store = await openStore(setting.store());
      const entries = await store.list("runs");
      store.close();
      return [...new Set(entries.map(({ key }) => key.split("/")[1] ?? ""))].sort();
    },
    command: start,
    workerProcess: async (name, options = {}) => {
      const { queue = there(redis).url, store = setting.store(), lockSeconds = LOCK_SECONDS, ...rest } = options;
      const link = ["--queue", queue, "--store", store, "--lock", String(lockSeconds), "--rest", "1"];
      const own = ["--name", name, "--model", setting.modelFolder(), "--threads", "1"];
      const command = start(["worker", ...link, ...own], rest);
      await command.tells(new RegExp(`${name} works for`));
      return command;
    },
    dismiss,
    workerHere: async (name, options = {}) => {
      const { queue = there(redis).url, token = TOKEN, scratch = join(work, "scratch") } = options;
      let told = "";
      const stop = new AbortController();
      let leave: HereWorker["leave"] = () => Promise.resolve();
      const store = await openStore(setting.store());
      await new Promise<void>((ready, failed) => {
        const end = runWorker({
          address: parseRedisUrl(queue),
          token: new QueueToken(token),
          store,
          model: options.model ?? there(model),
          name,
          scratch,
          lockSeconds: options.lockSeconds ?? LOCK_SECONDS,
          restSeconds: 0.2,
          log: createLogger("debug", (text) => (told += text)),
          signal: stop.signal,
          onReady: ready,
        });
        end.catch(failed);
        here.push({ stop, end });
        leave = async () => {
          stop.abort();
          await end;
        };
      });
      return {
        told: () => told,
        done: () => [...told.matchAll(/(\S+-\d+) done in/g)].map(([, job = ""]) => job),
        leave,
      };
    },
  };
  return setting;
}

/** The package's sources in another folder. */
export async function copyPackage(to: string): Promise<string> {
  await mkdir(to);
  await cp(join(root, "src"), join(to, "src"), { recursive: true });
  await cp(join(root, "package.json"), join(to, "package.json"));
  await symlink(join(root, "node_modules"), join(to, "node_modules"));
  return to;
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("it is made before the tests run");
  return value;
}

async function opened(folder: string): Promise<LanguageModel> {
  return new LanguageModel(await openModel(folder), await createRuntime({ threads: 1 }));
}

async function withHome<T>(home: string, work: () => Promise<T>): Promise<T> {
  const before = process.env.KV_DISTILL_HOME;
  process.env.KV_DISTILL_HOME = home;
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env.KV_DISTILL_HOME;
    else process.env.KV_DISTILL_HOME = before;
  }
}
