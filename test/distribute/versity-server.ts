import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../queue/redis-server.ts";

/** A real S3 server on files of this machine. */
export interface VersityServer {
  /** The store's place for `--store`. */
  readonly place: string;
  stop(): Promise<void>;
}

/** Whether there is one to start: `go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`. */
export const versityServer = spawnSync("versitygw", ["--version"]).status === 0;

const [KEY, SECRET, BUCKET, REGION] = ["someone", "secret", "bucket", "nowhere"];

/** Starts Versity's gateway on a free port. @param folder for its objects */
export async function startVersity(folder: string): Promise<VersityServer> {
  await mkdir(join(folder, BUCKET), { recursive: true });
  const port = await freePort();
  const own = ["--access", KEY, "--secret", SECRET, "--region", REGION, "--port", `127.0.0.1:${port}`, "--quiet"];
  const child = spawn("versitygw", [...own, "posix", folder], { stdio: "ignore" });
  const gone = once(child, "exit");
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`versitygw ended with ${child.exitCode}`);
    await pause(50);
  }
  process.env.AWS_ACCESS_KEY_ID = KEY;
  process.env.AWS_SECRET_ACCESS_KEY = SECRET;
  return {
    place: `s3://${BUCKET}/pre/fix?endpoint=http://127.0.0.1:${port}&region=${REGION}`,
    stop: async () => {
      child.kill();
      await gone;
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => {
      resolve(false);
    });
  });
}
