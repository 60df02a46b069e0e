/** Activation: the services, the editor, the commands, tied together. */
import * as vscode from "vscode";
import type { CompareViewState } from "../protocol/compare";
import type { ViewState } from "../protocol/inspect";
import { registerCommands } from "./commands";
import { ComparePanels } from "./compare-panels";
import { type InspectDocument, OpenCheckpoints } from "./documents";
import { EngineService } from "./engine-service";
import { EngineStatusItem } from "./engine-status";
import { InspectEditorProvider } from "./inspect-editor";
import { Inspections } from "./inspections";
import { createLog } from "./log";
import { announceMerges } from "./merge-announcements";
import { MergePanels } from "./merge-panels";
import { MergePlanner } from "./merge-planner";
import { MergeRates } from "./merge-rates";
import { MergeRuns } from "./merge-runs";
import { ModelsPanels } from "./models-panels";
import { RecipeLanguage } from "./recipe-language";
import { SignaturePanel } from "./signature-panel";
import { ViewStates } from "./view-states";

/** What other extensions, and the tests, may ask. */
export interface WeightLoupe {
  /** State of the engine and its executable. */
  engine(): { state: string; version?: string; message?: string; executable: string };
  /** Number of open checkpoints, those in their grace period included. */
  openCheckpoints(): number;
  /** Number of open panels of comparisons. */
  openComparisons(): number;
  /** A share in the checkpoint that the views of `uri` show; dispose of it when done. */
  open(uri: vscode.Uri): InspectDocument;
}

export function activate(context: vscode.ExtensionContext): WeightLoupe {
  const log = createLog();
  const engine = new EngineService(context.extensionUri, log);
  const inspections = new Inspections(context.globalStorageUri, engine, log);
  const checkpoints = new OpenCheckpoints((uri) => inspections.open(uri), log);
  const services = { extension: context.extensionUri, log, engine };
  const editors = new InspectEditorProvider(checkpoints, { ...services, states: new ViewStates<ViewState>(context.workspaceState, "weightLoupe.viewStates") });
  const comparisons = new ComparePanels({
    ...services,
    states: new ViewStates<CompareViewState>(context.workspaceState, "weightLoupe.compareStates"),
    inspectors: editors,
    open: (a, b) => inspections.compare(a, b),
  });
  const models = new ModelsPanels({ ...services, inspectors: editors, compare: (a, b) => comparisons.open(a, b) });
  const signatures = new SignaturePanel(services);
  const rates = new MergeRates(context.globalState);
  const planner = new MergePlanner(engine, rates);
  const runs = new MergeRuns({ engine, planner, rates, log, memento: context.workspaceState });
  const merges = new MergePanels({ ...services, planner, runs, inspectors: editors, compare: (a, b) => comparisons.open(a, b) });
  const status = new EngineStatusItem();
  const showStatus = (): void => status.show(engine.status, engine.executable, editors.anyVisible || comparisons.anyVisible);
  const followActive = (): void => {
    void vscode.commands.executeCommand("setContext", "weightLoupe.analysing", (editors.active ?? comparisons.active)?.analysing ?? false);
    showStatus();
  };
  const renewAll = (): void => {
    void checkpoints.renewAll();
    void comparisons.renewAll();
  };

  context.subscriptions.push(
    log,
    engine,
    inspections,
    checkpoints,
    editors,
    comparisons,
    models,
    signatures,
    merges,
    runs,
    new RecipeLanguage(context.extensionUri, log),
    announceMerges(runs, merges, (uri) => editors.show(uri), log),
    status,
    registerCommands({ editors, comparisons, models, signatures, merges, runs, engine, log, clearCache: () => inspections.clear() }),
    { dispose: engine.onStatus(showStatus) },
    editors.onActiveChanged(followActive),
    comparisons.onActiveChanged(followActive),
    engine.onReplaced(renewAll),
    vscode.workspace.onDidGrantWorkspaceTrust(renewAll),
    vscode.workspace.onDidGrantWorkspaceTrust(() => signatures.trusted()),
  );
  void runs.offerUnfinished((recipe, document) => merges.open(recipe, document, { tab: "overview" }));
  return {
    engine: () => ({ ...engine.status, executable: engine.executable }),
    openCheckpoints: () => checkpoints.size,
    openComparisons: () => comparisons.size,
    open: (uri) => checkpoints.document(uri),
  };
}
