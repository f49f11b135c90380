/** Markup that is already escaped. */
export type Markup = string;

type AttributeValue = string | number;

/** An SVG element; attribute values are escaped, numbers rounded to hundredths so that files are small and stable. */
export function element(
  name: string,
  attributes: Readonly<Record<string, AttributeValue>>,
  children: Markup = "",
): Markup {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeMarkup(attributeText(value))}"`);
  return `<${name}${written.join("")}${children === "" ? "/>" : `>${children}</${name}>`}`;
}

/** Text for use between tags and in attributes. Characters that XML forbids become U+FFFD. */
export function escapeMarkup(text: string): Markup {
  return text
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\u{d800}-\u{dfff}]/gu, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function attributeText(value: AttributeValue): string {
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
}
