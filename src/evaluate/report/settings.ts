import type { StoredRun } from "./read-run.ts";

/** All that decides a run's results, one JSON text a field; nested settings stand beside the others. */
export function settingsOf({ result }: StoredRun): Readonly<Record<string, string>> {
  const { config, taskSettings, ...rest } = result.identity;
  const own = typeof taskSettings === "object" && taskSettings !== null ? taskSettings : {};
  return Object.fromEntries(
    Object.entries({ ...own, ...rest, ...config }).map(([field, value]) => [field, JSON.stringify(value)]),
  );
}

/** A setting as it is told: words without quotes, lists without brackets. */
export function plainSetting(json: string): string {
  const value: unknown = JSON.parse(json);
  if (typeof value === "string") return value;
  return Array.isArray(value) && value.every((own) => typeof own !== "object") ? value.join(", ") : json;
}
