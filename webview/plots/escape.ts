/** Text that came from a file, made safe for the languages it is put into. */

/** For HTML and SVG, in element content and in quoted attributes. Characters XML cannot hold become U+FFFD. */
export function escapeMarkup(text: string): string {
  return text
    // eslint-disable-next-line no-control-regex -- exactly these are the characters that XML 1.0 leaves out
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")
    .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** For Plotly, whose labels are a small HTML dialect with templates and, where MathJax is present, formulas. */
export function escapePlotly(text: string): string {
  return text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\r\n]+/g, " ");
}

/** A file name that every system takes, from any text. */
export function safeFileName(text: string): string {
  const name = text.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "");
  return name === "" ? "export" : name.slice(0, 120);
}
