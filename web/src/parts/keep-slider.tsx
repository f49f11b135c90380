/** Percents that the slider stops at: even steps for the eye, from almost nothing to everything. */
export const KEEP_STEPS = [0.1, 0.2, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 100] as const;

export interface KeepSliderProps {
  readonly id: string;
  readonly percent: number;
  readonly onChange: (percent: number) => void;
  readonly disabled?: boolean;
}

/** How much of a text to keep. */
export function KeepSlider({ id, percent, onChange, disabled = false }: KeepSliderProps) {
  const at = KEEP_STEPS.findIndex((step) => step >= percent);
  return (
    <div class="keep">
      <label for={id}>Keep</label>
      <input
        id={id}
        type="range"
        min={0}
        max={KEEP_STEPS.length - 1}
        step={1}
        value={at < 0 ? KEEP_STEPS.length - 1 : at}
        disabled={disabled}
        aria-valuetext={`${percent} percent of the tokens`}
        onInput={({ currentTarget }) => {
          onChange(KEEP_STEPS[currentTarget.valueAsNumber] ?? percent);
        }}
      />
      <output for={id}>{percent}%</output>
    </div>
  );
}
