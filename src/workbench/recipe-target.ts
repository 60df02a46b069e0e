/** Which recipe a command is about. */
import * as vscode from "vscode";
import { RECIPE_LANGUAGE } from "../protocol/merge";

/**
 * From a code lens: a URI as text and a document's index. From an editor's title or the Explorer: a URI. From the palette: the recipe in the
 * active editor, and the document that the cursor is in.
 */
export function recipeOf([uri, document]: readonly unknown[]): { recipe: vscode.Uri; document: number } | undefined {
  if (typeof uri === "string") return { recipe: vscode.Uri.parse(uri), document: typeof document === "number" ? document : 0 };
  const editor = vscode.window.activeTextEditor;
  const recipe = uri instanceof vscode.Uri ? uri : editor?.document.languageId === RECIPE_LANGUAGE ? editor.document.uri : undefined;
  if (recipe === undefined) return undefined;
  return { recipe, document: editor?.document.uri.toString() === recipe.toString() ? documentAt(editor.document, editor.selection.active.line) : 0 };
}

/** Documents are set apart by lines of `---`; what stands before the first key makes none. */
function documentAt(text: vscode.TextDocument, line: number): number {
  let index = -1;
  let open = false;
  for (let i = 0; i <= line; i++) {
    const content = text.lineAt(i).text;
    if (/^---(?:\s|$)/.test(content)) open = false;
    else if (!open && /^[^\s#%]/.test(content)) {
      open = true;
      index++;
    }
  }
  return Math.max(0, index);
}
