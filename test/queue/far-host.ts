import { spawnSync } from "node:child_process";

/** A host of its own as the kernel sees it: a network namespace, joined to this one by a pair of virtual cards. */
export interface FarHost {
  /** What is put in front of a command that runs there. */
  readonly through: readonly string[];
  /** This machine's address as it is seen from there. */
  readonly nearAddress: string;
  /** Takes the card down: packets vanish in both directions, and no connection is told. */
  cut(): void;
  mend(): void;
  remove(): void;
}

const ip = (...args: string[]): boolean => spawnSync("ip", args).status === 0;

/** Why no namespace can be made here; undefined where one can. */
export function noNamespaces(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux'";
  if (spawnSync("ip", ["-V"]).status !== 0) return "there is no command ip";
  const name = `kvd-try-${process.pid}`;
  if (!ip("netns", "add", name)) return "network namespaces may not be made here: it takes root";
  const cards = ip("link", "add", `kvt${process.pid}`, "type", "veth", "peer", "name", "kvtest0", "netns", name);
  ip("netns", "delete", name);
  return cards ? undefined : "the kernel has no virtual cards (veth)";
}

/** @param number of the host, 0 to 254: it is in its address */
export function addFarHost(number: number): FarHost {
  const [name, card] = [`kvd-${process.pid}-${number}`, `kv${process.pid}n${number}`.slice(0, 15)];
  const [near, far] = [1, 2].map((end) => `10.213.${number}.${end}`) as [string, string];
  const must = (...args: string[]): void => {
    const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
  };
  must("netns", "add", name);
  must("link", "add", card, "type", "veth", "peer", "name", "far0", "netns", name);
  must("address", "add", `${near}/30`, "dev", card);
  must("link", "set", card, "up");
  must("-n", name, "address", "add", `${far}/30`, "dev", "far0");
  must("-n", name, "link", "set", "far0", "up");
  must("-n", name, "link", "set", "lo", "up");
  return {
    through: ["ip", "netns", "exec", name],
    nearAddress: near,
    cut: () => {
      must("link", "set", card, "down");
    },
    mend: () => {
      must("link", "set", card, "up");
    },
    remove: () => {
      // They would go with the namespace, but later: the next test makes cards of the same names.
      must("link", "delete", card);
      must("netns", "delete", name);
    },
  };
}
