/** What every side's training step does with its gradients: AdamW and clipping as `kv-distill train` has them. */
export const STEP_OPTIMISER = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0, clip: 1 } as const;

/** The training step of the measurements: the paper's method with one selection for all layers and heads. */
export const STEP_SETTINGS = { alpha: 16, eta: 6, sinks: 4, lambda: 0.6, keep: 0.25, learningRate: 1e-4 } as const;
