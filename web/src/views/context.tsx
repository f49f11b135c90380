import { useState } from "preact/hooks";
import type { ContextFacts, MarkedText, WorkProgress } from "../api/types.ts";
import { Chat } from "../chat/chat.tsx";
import { compressDocument } from "../compress.ts";
import { Failure } from "../parts/failure.tsx";
import { KeptText } from "../parts/kept-text.tsx";
import { Progress } from "../parts/progress.tsx";
import { SettingsFields } from "../parts/settings-fields.tsx";
import { Sizes } from "../parts/sizes.tsx";
import { LINKS } from "../route.ts";
import { saveFile } from "../save-file.ts";
import { type KnownDocument, useSession } from "../session.ts";
import { useLoaded } from "../use-loaded.ts";
import { useWork } from "../use-work.ts";
import { nameOf } from "./contexts.tsx";

/** One stored context: its size, what it kept, and what it answers. */
export function ContextView({ id }: { readonly id: string }) {
  const { api, documents } = useSession();
  const document = documents.get(id);
  const facts = useLoaded(`facts ${id}`, (signal) => api.json<ContextFacts>("GET", `/v1/contexts/${id}`, { signal }));
  const text = useLoaded(`text ${id}`, (signal) => api.json<MarkedText>("GET", `/v1/contexts/${id}/text`, { signal }));
  const download = useWork();
  const context = facts.value;
  return (
    <>
      <h1 tabIndex={-1}>{nameOf({ id }, document?.name)}</h1>
      <Failure message={facts.failure} />
      {context !== undefined && (
        <>
          <div class="columns">
            <div>
              <Sizes context={context} made={document?.made} />
              {download.busy ? (
                <Progress doing="Downloading" onCancel={download.cancel} />
              ) : (
                <div class="row">
                  <button
                    type="button"
                    onClick={() => {
                      download.start(async (signal) => {
                        saveFile(await api.blob(`/v1/contexts/${id}/kvd`, signal), `${id}.kvd`);
                      });
                    }}
                  >
                    Download .kvd
                  </button>
                  <span class="quiet id">{id}</span>
                </div>
              )}
              <Failure message={download.failure} />
              {document !== undefined && <Again document={document} />}
            </div>
            <div>
              {text.value !== undefined && <KeptText key={id} marked={text.value} />}
              {text.value === undefined && text.failure === undefined && <p role="status">Reading the text…</p>}
              <Failure message={text.failure} />
            </div>
          </div>
          <Chat key={id} context={id} />
        </>
      )}
    </>
  );
}

/** Compresses the same document once more, with other settings. */
function Again({ document }: { readonly document: KnownDocument }) {
  const session = useSession();
  const [settings, setSettings] = useState(document.settings);
  const [progress, setProgress] = useState<WorkProgress>();
  const work = useWork();
  return (
    <form
      class="card"
      onSubmit={(event) => {
        event.preventDefault();
        setProgress(undefined);
        work.start(async (signal) => {
          location.hash = LINKS.context(await compressDocument(session, document, settings, signal, setProgress));
        });
      }}
    >
      <h2>Keep more, or less</h2>
      <SettingsFields id="again" settings={settings} onChange={setSettings} disabled={work.busy} />
      {work.busy ? (
        <Progress doing="Compressing" progress={progress} onCancel={work.cancel} />
      ) : (
        <button type="submit">Compress again</button>
      )}
      <Failure message={work.failure} />
    </form>
  );
}
