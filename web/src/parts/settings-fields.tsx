import { useSession, type CompressSettings } from "../session.ts";
import { KeepSlider } from "./keep-slider.tsx";

export interface SettingsFieldsProps {
  readonly id: string;
  readonly settings: CompressSettings;
  readonly onChange: (settings: CompressSettings) => void;
  readonly disabled: boolean;
}

/** How to compress, as fields of a form. */
export function SettingsFields({ id, settings, onChange, disabled }: SettingsFieldsProps) {
  const { model } = useSession();
  const change = (part: Partial<CompressSettings>): void => {
    onChange({ ...settings, ...part });
  };
  return (
    <fieldset class="settings" disabled={disabled}>
      <legend class="hidden">How to compress</legend>
      <KeepSlider
        id={`${id}-keep`}
        percent={settings.keep}
        onChange={(keep) => {
          change({ keep });
        }}
        disabled={disabled}
      />
      <details>
        <summary>More settings</summary>
        <div class="field">
          <label for={`${id}-method`}>Method</label>
          <select
            id={`${id}-method`}
            value={settings.method}
            onChange={({ currentTarget }) => {
              change({ method: currentTarget.value });
            }}
          >
            {model.methods.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </div>
        <Check
          id={`${id}-fold`}
          checked={settings.fold}
          onChange={(fold) => {
            change({ fold });
          }}
          label="Compress in folds"
          note="for texts longer than the model reads"
        />
        <Check
          id={`${id}-fidelity`}
          checked={settings.fidelity}
          onChange={(fidelity) => {
            change({ fidelity });
          }}
          label="Compare with the full cache"
          note="reads the whole text twice more"
        />
      </details>
    </fieldset>
  );
}

interface CheckProps {
  readonly id: string;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
  readonly label: string;
  readonly note: string;
}

function Check({ id, checked, onChange, label, note }: CheckProps) {
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        aria-describedby={`${id}-note`}
        onChange={({ currentTarget }) => {
          onChange(currentTarget.checked);
        }}
      />
      <label for={id}>{label}</label>
      <span id={`${id}-note`} class="quiet">
        {note}
      </span>
    </div>
  );
}
