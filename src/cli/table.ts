/** Aligned columns. */

export interface Column {
  title: string;
  align: "left" | "right";
}

/** Rows under their titles, columns two spaces apart, indented by two; nothing for no rows. @param faint styles the titles. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], faint: (text: string) => string): string[] {
  const widths = columns.map(({ title }, i) => rows.reduce((width, row) => Math.max(width, cells(row[i] ?? "")), cells(title)));
  const line = (row: readonly string[]): string =>
    `  ${columns.map(({ align }, i) => pad(row[i] ?? "", widths[i]!, align)).join("  ")}`.trimEnd();
  return rows.length === 0 ? [] : [faint(line(columns.map(({ title }) => title))), ...rows.map(line)];
}

function pad(text: string, width: number, align: Column["align"]): string {
  const space = " ".repeat(Math.max(0, width - cells(text)));
  return align === "left" ? text + space : space + text;
}

/** Terminal cells; East Asian wide characters and emoji take two. */
function cells(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{Mark}/u.test(character)) continue;
    width += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u.test(character) ? 2 : 1;
  }
  return width;
}
