// C0 and C1 controls but tab and newline, delete, line and paragraph separators, and the marks that reorder text.
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text from a document, a model or a file made safe for a terminal: characters that would move the cursor, change
 * colours, retitle the window or reorder what is read are shown as `\u001b`. Tabs and newlines stay.
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
