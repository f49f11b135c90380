import { createHash } from "node:crypto";
import { printable } from "../printable.ts";
import { escapeMarkup, type Markup } from "../svg/element.ts";

export interface HtmlDocument {
  readonly title: string;
  /** Style sheet, after the common one. */
  readonly style: string;
  readonly body: Markup;
  /** The page's own script. Nothing else can run: the policy names its hash. */
  readonly script?: string;
}

/** Text of a person, a document or a model for use in a page: escaped, with characters that reorder or hide text made visible. */
export function htmlText(text: string): Markup {
  return escapeMarkup(printable(text.replaceAll("\r", "")));
}

/** One self-contained page, light or dark as the reader prefers, that may load nothing and send nothing. */
export function htmlDocument({ title, style, body, script }: HtmlDocument): string {
  const policy = [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    ...(script === undefined ? [] : [`script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`]),
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${htmlText(title)}</title>
<style>${BASE_STYLE}
${style}</style>
</head>
<body>
<main>
${body}
</main>
${script === undefined ? "" : `<script>${script}</script>\n`}</body>
</html>
`;
}

const LIGHT =
  "--ground:#fff;--raised:#f6f8fa;--text:#1f2328;--quiet:#59636e;--line:#d0d7de;--link:#0067b1;--mark:0 103 177";
const DARK =
  "--ground:#0d1117;--raised:#151b23;--text:#e6edf3;--quiet:#9da7b1;--line:#3d444d;--link:#5ab0ff;--mark:90 176 255";
const BASE_STYLE = [
  `:root{color-scheme:light dark;${LIGHT}}`,
  `@media (prefers-color-scheme:dark){:root{${DARK}}}`,
  "*{box-sizing:border-box}",
  "body{margin:0 auto;padding:1rem;background:var(--ground);color:var(--text);" +
    "font:1rem/1.6 system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif}",
  "a{color:var(--link)}summary{cursor:pointer}",
].join("\n");
