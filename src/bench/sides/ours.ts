import { fileURLToPath } from "node:url";
import type { SideCommand } from "./side.ts";

/** This package, in a process of its own as every peer. From its sources it needs tsx, as the runtime's worker does. */
export function ourSide(name: string): SideCommand {
  const sources = import.meta.url.endsWith(".ts");
  const entry = fileURLToPath(new URL(`../ours/main.${sources ? "ts" : "js"}`, import.meta.url));
  const loader = sources ? ["--import", import.meta.resolve("tsx")] : [];
  return { name, command: [process.execPath, ...loader, entry] };
}
