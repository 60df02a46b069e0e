/** The HTML page around a webview's script: a strict content security policy and nothing else. */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

/** Where the pages' built files are, and so all that a webview may load. */
export function pageRoots(extension: vscode.Uri): vscode.Uri[] {
  return [vscode.Uri.joinPath(extension, "dist", "webview")];
}

/**
 * The shell of a page. Scripts run by nonce only, there is no inline script or style, and nothing can be fetched.
 * @param page Base name of the page's script and style sheet in `dist/webview`.
 * @param title Accessible name of the document; may hold hostile text.
 * @param subject What the page finds in its root's `data-subject`: JSON of what it is about.
 */
export function pageHtml(webview: vscode.Webview, extension: vscode.Uri, page: string, title: string, subject?: unknown): string {
  const nonce = randomBytes(18).toString("base64url");
  const file = (name: string): string => escape(webview.asWebviewUri(vscode.Uri.joinPath(extension, "dist", "webview", name)).toString());
  const source = webview.cspSource;
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${source} 'nonce-${nonce}'`,
    `font-src ${source}`,
    `img-src ${source} data: blob:`,
    "connect-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
  ].join("; ");
  // The style sheet's id is where the icon component looks for the codicon font.
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" nonce="${nonce}" href="${file(`${page}.css`)}" id="vscode-codicon-stylesheet">
<title>${escape(title)}</title>
</head>
<body>
<div id="root"${subject === undefined ? "" : ` data-subject="${escape(JSON.stringify(subject))}"`}></div>
<script nonce="${nonce}" src="${file(`${page}.js`)}"></script>
</body>
</html>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
