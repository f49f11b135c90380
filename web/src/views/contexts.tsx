import { useRef, useState } from "preact/hooks";
import { formatBytes, formatCount, formatPercent } from "../../../src/util/format.ts";
import type { ContextFacts, List } from "../api/types.ts";
import { Failure } from "../parts/failure.tsx";
import { Progress } from "../parts/progress.tsx";
import { Time } from "../parts/time.tsx";
import { LINKS } from "../route.ts";
import { saveFile } from "../save-file.ts";
import { useSession } from "../session.ts";
import { useLoaded } from "../use-loaded.ts";
import { useWork } from "../use-work.ts";

/** The stored contexts. */
export function ContextsView() {
  const { api } = useSession();
  const list = useLoaded("contexts", (signal) => api.json<List<ContextFacts>>("GET", "/v1/contexts", { signal }));
  const [doing, setDoing] = useState("");
  const [said, setSaid] = useState("");
  const work = useWork();
  const picker = useRef<HTMLInputElement>(null);
  const contexts = list.value?.data;

  const upload = (file: File): void => {
    setDoing(`Uploading ${file.name} (${formatBytes(file.size)})`);
    work.start(async (signal) => {
      const { id } = await api.json<ContextFacts>("POST", "/v1/contexts/upload", { body: file, signal });
      location.hash = LINKS.context(id);
    });
  };
  const download = ({ id, file_bytes: bytes }: ContextFacts): void => {
    setDoing(`Downloading ${formatBytes(bytes)}`);
    work.start(async (signal) => {
      saveFile(await api.blob(`/v1/contexts/${id}/kvd`, signal), `${id}.kvd`);
      setSaid(`${id}.kvd was downloaded.`);
    });
  };
  const remove = (id: string): void => {
    if (!confirm("Delete this context? Its file is gone then.")) return;
    setDoing("Deleting");
    work.start(async (signal) => {
      await api.json("DELETE", `/v1/contexts/${id}`, { signal });
      setSaid("The context was deleted.");
      list.reload();
    });
  };

  return (
    <>
      <h1 tabIndex={-1}>Contexts</h1>
      <div class="row">
        <button type="button" onClick={() => picker.current?.click()} disabled={work.busy}>
          Upload a .kvd file
        </button>
        <a href={LINKS.new}>Distil a document</a>
        <input
          ref={picker}
          class="hidden"
          type="file"
          accept=".kvd"
          tabIndex={-1}
          aria-label="A .kvd file"
          onChange={({ currentTarget }) => {
            const file = currentTarget.files?.[0];
            currentTarget.value = "";
            if (file !== undefined) upload(file);
          }}
        />
      </div>
      {work.busy && <Progress doing={doing} onCancel={work.cancel} />}
      <Failure message={work.failure ?? list.failure} />
      <p role="status" class="quiet">
        {said}
      </p>
      {contexts?.length === 0 && <p>There are none yet.</p>}
      {contexts !== undefined && contexts.length > 0 && (
        <ul class="cards">
          {contexts.map((context) => (
            <Entry
              key={context.id}
              context={context}
              busy={work.busy}
              onDownload={() => {
                download(context);
              }}
              onDelete={() => {
                remove(context.id);
              }}
            />
          ))}
        </ul>
      )}
    </>
  );
}

interface EntryProps {
  readonly context: ContextFacts;
  readonly busy: boolean;
  readonly onDownload: () => void;
  readonly onDelete: () => void;
}

function Entry({ context, busy, onDownload, onDelete }: EntryProps) {
  const { documents } = useSession();
  const { id, created, method, tokens, rows, obtained, full_key_value_bytes: full, key_value_bytes: kept } = context;
  const name = nameOf(context, documents.get(id)?.name);
  return (
    <li>
      <div>
        <h2>
          <a href={LINKS.context(id)}>{name}</a>
        </h2>
        <p class="quiet">
          <Time seconds={created} /> · {method} · {formatCount(tokens)} tokens, {formatPercent(obtained.fraction)} kept
          ({formatCount(rows)} rows) · {formatBytes(full)} → {formatBytes(kept)}
        </p>
      </div>
      <div class="row">
        <button type="button" onClick={onDownload} disabled={busy} aria-label={`Download ${name}`}>
          Download
        </button>
        <button type="button" onClick={onDelete} disabled={busy} aria-label={`Delete ${name}`}>
          Delete
        </button>
      </div>
    </li>
  );
}

/** What a context is called: the document it was made of, where that is known, or the end of its id. */
export function nameOf({ id }: Pick<ContextFacts, "id">, name: string | undefined): string {
  return name === undefined || name === "" ? `Context …${id.slice(-6)}` : name;
}
