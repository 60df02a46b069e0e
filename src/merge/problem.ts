/** What is wrong with a recipe, and where: one shape for preflight, the command line and the language server. */

/** A stretch of a recipe's text: lines and columns from 1, columns in UTF-16 units, the end exclusive. */
export interface Place {
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
}

export interface Problem {
  /** With an error nothing is merged. */
  severity: "error" | "warning";
  /** In kebab-case: `"unknown-method"`, `"missing-tensor"` … */
  code: string;
  /** One sentence: what is wrong and what to do. */
  message: string;
  at: Place;
  tensor?: string;
  fixes?: Fix[];
}

/** An edit that would put it right. */
export interface Fix {
  title: string;
  at: Place;
  text: string;
}

/** The problems in the order of the text, each once: the reader and the planner may both find one. */
export function distinct(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems
    .filter(({ code, at }) => {
      const key = `${code} ${at.line}:${at.column}`;
      return !seen.has(key) && seen.add(key);
    })
    .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
}
