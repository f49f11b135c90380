import { afterEach, beforeEach } from "vitest";
import { addFarHost, type FarHost } from "./far-host.ts";
import type { Command, Setting } from "./setting.ts";

/** A server that others may reach wants a password. */
const PASSWORD = "open-sesame";
export const FAR_REDIS: readonly string[] = ["--requirepass", PASSWORD];

/** Two hosts for each test of a file, which reach this machine's Redis, and its stand-in for S3 where that can be reached. */
export interface FarWorkers {
  readonly hosts: () => readonly [FarHost, FarHost];
  /** Starts a worker in a process on a host and waits until it is ready. */
  readonly workerOn: (host: FarHost, name: string) => Promise<Command>;
}

/** @param setting its Redis has the arguments `FAR_REDIS` */
export function useFarWorkers(setting: Setting): FarWorkers {
  let hosts: readonly FarHost[] = [];
  beforeEach(async () => {
    hosts = [1, 2].map(addFarHost);
    const client = setting.redis().client();
    await client.config("SET", "bind", ["127.0.0.1", ...hosts.map(({ nearAddress }) => nearAddress)].join(" "));
    client.disconnect();
  });
  afterEach(() => {
    for (const host of hosts) host.remove();
  });
  return {
    hosts: () => hosts as [FarHost, FarHost],
    workerOn: (host, name) =>
      setting.workerProcess(name, {
        queue: `redis://:${PASSWORD}@${host.nearAddress}:${setting.redis().port}`,
        store: setting.store().replace("//127.0.0.1:", `//${host.nearAddress}:`),
        through: host.through,
      }),
  };
}
