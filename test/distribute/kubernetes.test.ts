import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Deployment, StatefulSet } from "kubernetes-models/apps/v1";
import { Job } from "kubernetes-models/batch/v1";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { PersistentVolumeClaim, Service } from "kubernetes-models/v1";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { VERSION } from "../../src/util/version.ts";
import { runCli } from "../cli/run-cli.ts";

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: Readonly<Record<string, unknown>>;
}
interface Container {
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
}

const MODELS = { Deployment, Job, NetworkPolicy, PersistentVolumeClaim, Service, StatefulSet };
const path = fileURLToPath(new URL("../../deploy/kubernetes.yaml", import.meta.url));
const resources = parseAllDocuments(await readFile(path, "utf8")).map((document) => document.toJS() as Resource);

function check({ kind, ...rest }: Resource): void {
  const Model = MODELS[kind as keyof typeof MODELS] as unknown as new (data: object) => { validate(): void };
  new Model(rest).validate();
}

test.each(resources.map((own) => [`${own.kind} ${own.metadata.name}`, own] as const))(
  "%s follows the schemas of Kubernetes",
  (_, resource) => {
    expect(Object.keys(MODELS)).toContain(resource.kind);
    expect(resource.metadata.namespace).toBe("kv-distill");
    check(resource);
    // The check is one: without its description the resource is none.
    expect(() => {
      check({ ...resource, spec: "none" as unknown as Resource["spec"] });
    }).toThrow();
  },
);

test("workers and the run have this version's image and options that the commands know", async () => {
  const containers = resources
    .filter(({ kind }) => kind === "Deployment" || kind === "Job")
    .map(({ spec }) => {
      const { template } = spec as { template: { spec: { containers: readonly [Container] } } };
      return template.spec.containers[0];
    });
  expect(containers.map(({ command }) => command[1])).toEqual(["worker", "compress"]);
  for (const { image, command, args } of containers) {
    expect(image).toMatch(new RegExp(`:${VERSION.replaceAll(".", "\\.")}$`));
    const help = await runCli([command[1] ?? "", "--help"]);
    for (const option of args.filter((word) => word.startsWith("-"))) {
      expect(help.stdout).toMatch(new RegExp(`${option}[ ,]`));
    }
  }
});
