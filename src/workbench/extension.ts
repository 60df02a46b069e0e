/** Activation: the services, the editor, the commands, tied together. */
import * as vscode from "vscode";
import { registerCommands } from "./commands";
import { type InspectDocument, OpenCheckpoints } from "./documents";
import { EngineService } from "./engine-service";
import { EngineStatusItem } from "./engine-status";
import { InspectEditorProvider } from "./inspect-editor";
import { Inspections } from "./inspections";
import { createLog } from "./log";
import { ViewStates } from "./view-states";

/** What other extensions, and the tests, may ask. */
export interface WeightLoupe {
  /** State of the engine and its executable. */
  engine(): { state: string; version?: string; message?: string; executable: string };
  /** Number of open checkpoints, those in their grace period included. */
  openCheckpoints(): number;
  /** A share in the checkpoint that the views of `uri` show; dispose of it when done. */
  open(uri: vscode.Uri): InspectDocument;
}

export function activate(context: vscode.ExtensionContext): WeightLoupe {
  const log = createLog();
  const engine = new EngineService(context.extensionUri, log);
  const inspections = new Inspections(context.globalStorageUri, engine, log);
  const checkpoints = new OpenCheckpoints((uri) => inspections.open(uri), log);
  const editors = new InspectEditorProvider(checkpoints, { extension: context.extensionUri, log, engine, states: new ViewStates(context.workspaceState) });
  const status = new EngineStatusItem();
  const showStatus = (): void => status.show(engine.status, engine.executable, editors.anyVisible);

  context.subscriptions.push(
    log,
    engine,
    inspections,
    checkpoints,
    editors,
    status,
    registerCommands({ editors, engine, log, clearCache: () => inspections.clear() }),
    { dispose: engine.onStatus(showStatus) },
    editors.onActiveChanged(showStatus),
    engine.onReplaced(() => void checkpoints.renewAll()),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void checkpoints.renewAll()),
  );
  return {
    engine: () => ({ ...engine.status, executable: engine.executable }),
    openCheckpoints: () => checkpoints.size,
    open: (uri) => checkpoints.document(uri),
  };
}
