/** The language server of recipes, over any connection. It reads headers of models and never their data. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  CodeActionKind,
  DiagnosticSeverity,
  DidChangeWatchedFilesNotification,
  ErrorCodes,
  ResponseError,
  TextDocuments,
  TextDocumentSyncKind,
  type CodeAction,
  type Connection,
  type Diagnostic,
  type InitializeParams,
  type InitializeResult,
  type Range,
} from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { ModelStore } from "../merge/models/store";
import { roomBeside } from "../merge/plan/destination";
import { distinct, type Problem } from "../merge/problem";
import { complete } from "./completion";
import { hover } from "./hover";
import { definition, nameAt, prepareRename, rename } from "./navigation";
import { folds, lenses, symbols } from "./outline";
import { firstLine, rangeOf } from "./places";
import { RecipeState } from "./recipe-state";

/** What the client says at the start. */
export interface ServerOptions {
  /** Folders that model paths may not leave, of an untrusted workspace; null: anywhere. */
  confinedTo?: readonly string[] | null;
}

/** Time without a key before diagnostics are made anew: as long as they took the last time, within bounds. */
const SHORTEST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;
/** Planning that takes longer lets the reader's problems go ahead. */
const SLOW_PLAN_MS = 100;

export function serve(connection: Connection): void {
  new RecipeServer(connection).listen();
}

class RecipeServer {
  private readonly documents = new TextDocuments(TextDocument);
  private readonly models = new ModelStore();
  private readonly states = new Map<string, RecipeState>();
  private readonly timers = new Map<string, NodeJS.Timeout>();
  private workspaceFolders: string[] = [];
  private confinedTo: readonly string[] | undefined;
  private canWatch = false;
  private lastMs = 0;

  constructor(private readonly connection: Connection) {}

  listen(): void {
    const { connection, documents } = this;
    connection.onInitialize((params) => this.initialize(params));
    connection.onInitialized(() => this.initialized());
    documents.onDidChangeContent(({ document }) => this.changed(document));
    documents.onDidClose(({ document: { uri } }) => this.closed(uri));
    connection.onDidChangeWatchedFiles(() => this.replanAll());
    connection.onCompletion(async ({ textDocument, position }) => complete(this.state(textDocument.uri), position, this.models));
    connection.onHover(async ({ textDocument, position }) => hover(this.state(textDocument.uri), position, this.models));
    connection.onDefinition(async ({ textDocument, position }) => definition(this.state(textDocument.uri), position, this.models));
    connection.onReferences(({ textDocument: { uri }, position, context }) => {
      const found = nameAt(this.state(uri).recipe, position);
      return found === undefined ? null : found.places.slice(context.includeDeclaration ? 0 : 1).map((place) => ({ uri, range: rangeOf(place) }));
    });
    connection.onDocumentSymbol(({ textDocument }) => symbols(this.state(textDocument.uri)));
    connection.onFoldingRanges(({ textDocument }) => folds(this.state(textDocument.uri)));
    connection.onCodeLens(({ textDocument }) => lenses(this.state(textDocument.uri)));
    connection.onPrepareRename(({ textDocument, position }) => prepareRename(this.state(textDocument.uri), position));
    connection.onRenameRequest(({ textDocument, position, newName }) => rename(this.state(textDocument.uri), position, newName));
    connection.onCodeAction(async ({ textDocument, range }) => this.actions(this.state(textDocument.uri), range));
    documents.listen(connection);
    connection.listen();
  }

  private initialize({ workspaceFolders, capabilities, initializationOptions }: InitializeParams): InitializeResult {
    this.workspaceFolders = (workspaceFolders ?? []).flatMap(({ uri }) => pathOf(uri) ?? []);
    const options = (initializationOptions ?? {}) as ServerOptions;
    this.confinedTo = Array.isArray(options.confinedTo) ? options.confinedTo.filter((folder): folder is string => typeof folder === "string") : undefined;
    this.canWatch = capabilities.workspace?.didChangeWatchedFiles?.dynamicRegistration === true;
    return {
      serverInfo: { name: "weight-loupe-recipe" },
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        completionProvider: { triggerCharacters: [":", "/", "+", "[", "{", ",", " ", "-"] },
        hoverProvider: true,
        definitionProvider: true,
        referencesProvider: true,
        documentSymbolProvider: true,
        foldingRangeProvider: true,
        renameProvider: { prepareProvider: true },
        codeLensProvider: { resolveProvider: false },
        codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
      },
    };
  }

  private initialized(): void {
    // Models may come, go and change while a recipe is open.
    if (this.canWatch) void this.connection.client.register(DidChangeWatchedFilesNotification.type, { watchers: [{ globPattern: "**/*.{safetensors,bin,gguf}" }, { globPattern: "**/{config,adapter_config,tokenizer}.json" }, { globPattern: "**/*.index.json" }] });
  }

  private changed({ uri, version }: TextDocument): void {
    this.states.get(uri)?.giveUp();
    this.states.delete(uri);
    this.schedule(uri, version === 1 ? 0 : Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, this.lastMs)));
  }

  private closed(uri: string): void {
    this.states.get(uri)?.giveUp();
    this.states.delete(uri);
    clearTimeout(this.timers.get(uri));
    this.timers.delete(uri);
    void this.connection.sendDiagnostics({ uri, diagnostics: [] });
  }

  private replanAll(): void {
    for (const { uri } of this.documents.all()) {
      this.states.get(uri)?.forget();
      this.schedule(uri, SHORTEST_PAUSE_MS);
    }
  }

  private schedule(uri: string, pause: number): void {
    clearTimeout(this.timers.get(uri));
    this.timers.set(uri, setTimeout(() => void this.diagnose(uri), pause));
  }

  /** The state of the document's text as it is now. @throws ResponseError for a document that is not open. */
  private state(uri: string): RecipeState {
    const document = this.documents.get(uri);
    if (document === undefined) throw new ResponseError(ErrorCodes.InvalidParams, `${uri} is not open`);
    const known = this.states.get(uri);
    if (known !== undefined && known.version === document.version) return known;
    const file = pathOf(uri);
    const folder = file === null ? [] : [path.dirname(file)];
    const lookup = { folders: [...folder, ...this.workspaceFolders], ...(this.confinedTo === undefined ? {} : { confinedTo: this.confinedTo }) };
    const state = new RecipeState(uri, document.version, document.getText(), file, lookup, this.models);
    this.states.set(uri, state);
    return state;
  }

  /** Publishes what reader and planner find. */
  private async diagnose(uri: string): Promise<void> {
    if (this.documents.get(uri) === undefined) return;
    const state = this.state(uri);
    const started = performance.now();
    const { recipe } = state;
    // Nothing wrong with the text alone says nothing yet.
    const early = recipe.problems.length === 0 ? undefined : setTimeout(() => this.publish(state, recipe.problems), SLOW_PLAN_MS);
    try {
      if (recipe.documents.length === 0) return this.publish(state, recipe.problems);
      const plans = await state.plans();
      const rooms = state.path === null ? [] : await Promise.all(plans.map((plan) => roomBeside(path.dirname(state.path!), plan)));
      this.publish(state, [...recipe.problems, ...plans.flatMap(({ problems }) => problems), ...rooms.filter((problem) => problem !== null)]);
      this.lastMs = performance.now() - started;
    } catch (error) {
      if (this.states.get(uri) !== state) return;
      this.connection.console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
      this.publish(state, recipe.problems);
    } finally {
      clearTimeout(early);
    }
  }

  private publish(state: RecipeState, problems: readonly Problem[]): void {
    const { uri, version } = state;
    // A newer text is there, or none.
    if (this.documents.get(uri)?.version !== version) return;
    void this.connection.sendDiagnostics({ uri, version, diagnostics: distinct(problems).map((problem) => diagnosticOf(problem, state)) });
  }

  /** Quick fixes of the problems in the range. */
  private async actions(state: RecipeState, range: Range): Promise<CodeAction[]> {
    const plans = await state.plans().catch(() => []);
    const problems = distinct([...state.recipe.problems, ...plans.flatMap(({ problems }) => problems)]);
    return problems.flatMap((problem) => {
      const diagnostic = diagnosticOf(problem, state);
      if (!overlap(diagnostic.range, range)) return [];
      return (problem.fixes ?? []).map((fix, i): CodeAction => ({
        title: fix.title,
        kind: CodeActionKind.QuickFix,
        diagnostics: [diagnostic],
        isPreferred: i === 0,
        edit: { changes: { [state.uri]: [{ range: rangeOf(fix.at), newText: fix.text }] } },
      }));
    });
  }
}

function diagnosticOf({ severity, code, message, at, tensor }: Problem, { lines }: RecipeState): Diagnostic {
  return {
    range: rangeOf(firstLine(at, lines[at.line - 1]?.length ?? 0)),
    severity: severity === "error" ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    code,
    source: "weight-loupe",
    message,
    ...(tensor === undefined ? {} : { data: { tensor } }),
  };
}

function overlap(a: Range, b: Range): boolean {
  const before = (p: Range["start"], q: Range["start"]): boolean => p.line < q.line || (p.line === q.line && p.character < q.character);
  return !before(a.end, b.start) && !before(b.end, a.start);
}

/** Null for what is not a file. */
function pathOf(uri: string): string | null {
  try {
    return uri.startsWith("file:") ? fileURLToPath(uri) : null;
  } catch {
    return null;
  }
}
