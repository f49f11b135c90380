// What all proofs share.

/** Programs that compute in float32 as we do: log-probabilities are equal within this. */
export const TOLERANCE = 1e-3;
/** What is wrong on purpose (positions, an adapter left out) is off by more than this. */
export const CONTROL = 0.1;

/** What all programs are told. `setting`: files of the model, its name, threads, steps of an answer. */
export function request({ files, threads, steps }, cases) {
  return { threads, steps, folder: files.folder, hash: files.hash, vocabulary: files.config.vocabSize, cases };
}

export function sizes({ rows, contextLength, perHead }) {
  return { rows, contextLength, perHead };
}
