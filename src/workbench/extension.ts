import * as vscode from "vscode";
import { pageHtml, pageRoots } from "./shell";
export function activate(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    vscode.window.registerCustomEditorProvider("weightLoupe.inspect", {
      openCustomDocument: (uri) => ({ uri, dispose() {} }),
      resolveCustomEditor(document, panel) {
        panel.webview.options = { enableScripts: true, localResourceRoots: pageRoots(context.extensionUri) };
        panel.webview.html = pageHtml(panel.webview, context.extensionUri, "inspect", document.uri.path);
      },
    } satisfies vscode.CustomReadonlyEditorProvider),
    vscode.commands.registerCommand("weightLoupe.inspect", (uri: vscode.Uri) => vscode.commands.executeCommand("vscode.openWith", uri, "weightLoupe.inspect")),
  );
}
