const DOCTYPE = /^\s*<!DOCTYPE[^>]*>\s*/i;
const MARKUP = /<(?:html|body|p|br|div|hr|h[1-6])\b[^>]*>/i;

/**
 * A story's text, or undefined where it is HTML: QuALITY and SQuALITY come both ways. SQuALITY before v1.2 left the
 * document type in front of texts that are otherwise stripped; it is taken off.
 */
export function plainText(text: string): string | undefined {
  const stripped = text.replace(DOCTYPE, "");
  return MARKUP.test(stripped) ? undefined : stripped;
}
