import { useRef, useState } from "preact/hooks";
import { formatBytes, formatCount } from "../../../src/util/format.ts";
import type { ContextFacts, WorkProgress } from "../api/types.ts";
import { compressDocument, defaultSettings } from "../compress.ts";
import { Failure } from "../parts/failure.tsx";
import { Progress } from "../parts/progress.tsx";
import { SettingsFields } from "../parts/settings-fields.tsx";
import { isCacheFile, textOfFile } from "../read-file.ts";
import { LINKS } from "../route.ts";
import { useSession } from "../session.ts";
import { useWork } from "../use-work.ts";

/** A document goes in here. */
export function NewView() {
  const session = useSession();
  const { api, draft, setDraft } = session;
  const [settings, setSettings] = useState(() => defaultSettings(session));
  const [progress, setProgress] = useState<WorkProgress>();
  const [doing, setDoing] = useState("");
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const work = useWork();

  const take = (file: File): void => {
    setDoing(`Reading ${file.name}`);
    setProgress(undefined);
    work.start(async (signal) => {
      if (!isCacheFile(file)) {
        setDraft({ name: file.name, text: await textOfFile(file) });
        return;
      }
      setDoing(`Uploading ${file.name} (${formatBytes(file.size)})`);
      const { id } = await api.json<ContextFacts>("POST", "/v1/contexts/upload", { body: file, signal });
      location.hash = LINKS.context(id);
    });
  };

  const compress = (): void => {
    setDoing("Compressing");
    setProgress(undefined);
    work.start(async (signal) => {
      const id = await compressDocument(session, draft, settings, signal, setProgress);
      location.hash = LINKS.context(id);
    });
  };

  return (
    <>
      <h1 tabIndex={-1}>Distil a document</h1>
      <p>
        The model reads a text once and keeps only the tokens that matter. The small cache that is left answers
        questions about the text, as often as you like.
      </p>
      <form
        class={over ? "drop over" : "drop"}
        onSubmit={(event) => {
          event.preventDefault();
          if (!work.busy && draft.text.trim() !== "") compress();
        }}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => {
          setOver(false);
        }}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          const file = event.dataTransfer?.files[0];
          if (file !== undefined && !work.busy) take(file);
        }}
      >
        <div class="row">
          <label for="text">Text</label>
          <span class="quiet" id="text-note">
            paste it, drop a text file here, or
          </span>
          <button type="button" onClick={() => picker.current?.click()} disabled={work.busy}>
            Choose a file
          </button>
          <input
            ref={picker}
            class="hidden"
            type="file"
            tabIndex={-1}
            aria-label="A text file or a .kvd file"
            onChange={({ currentTarget }) => {
              const file = currentTarget.files?.[0];
              currentTarget.value = "";
              if (file !== undefined) take(file);
            }}
          />
        </div>
        <textarea
          id="text"
          rows={12}
          spellcheck={false}
          value={draft.text}
          disabled={work.busy}
          aria-describedby="text-note"
          onInput={({ currentTarget }) => {
            setDraft({ name: draft.name, text: currentTarget.value });
          }}
        />
        <p class="quiet count">
          {draft.name === "" ? "" : `${draft.name}, `}
          {formatCount(draft.text.length)} characters
          {draft.text !== "" && !work.busy && (
            <button
              type="button"
              class="link"
              onClick={() => {
                setDraft({ name: "", text: "" });
              }}
            >
              Clear
            </button>
          )}
        </p>
        <SettingsFields id="new" settings={settings} onChange={setSettings} disabled={work.busy} />
        {work.busy ? (
          <Progress doing={doing} progress={progress} onCancel={work.cancel} />
        ) : (
          <button type="submit" class="main" disabled={draft.text.trim() === ""}>
            Compress
          </button>
        )}
        <Failure message={work.failure} />
      </form>
    </>
  );
}
