/** A language client that speaks the protocol to the recipes' server over a stream. */
import { PassThrough } from "node:stream";
import { pathToFileURL } from "node:url";
import type { CodeAction, CodeLens, CompletionItem, Diagnostic, DocumentSymbol, FoldingRange, Hover, Location, Position, PublishDiagnosticsParams, Range, WorkspaceEdit } from "vscode-languageserver";
import { createConnection, createMessageConnection, StreamMessageReader, StreamMessageWriter, type MessageConnection } from "vscode-languageserver/node";
import { serve } from "../../../src/language/server";

export interface ClientOptions {
  /** The workspace's folder. */
  folder?: string;
  /** Folders that model paths may not leave. */
  confinedTo?: string[];
}

export class RecipeClient {
  private readonly published = new Map<string, PublishDiagnosticsParams>();
  private readonly waiting: { uri: string; version: number; settled(diagnostics: Diagnostic[]): void }[] = [];
  private version = 0;

  private constructor(private readonly connection: MessageConnection) {
    connection.onNotification("textDocument/publishDiagnostics", (params: PublishDiagnosticsParams) => {
      this.published.set(params.uri, params);
      for (const each of [...this.waiting]) {
        if (each.uri !== params.uri || (params.version ?? 0) < each.version) continue;
        this.waiting.splice(this.waiting.indexOf(each), 1);
        each.settled(params.diagnostics);
      }
    });
    connection.listen();
  }

  /** A server in this process behind two streams. */
  static async start(options: ClientOptions = {}): Promise<RecipeClient> {
    const [toServer, toClient] = [new PassThrough(), new PassThrough()];
    serve(createConnection(new StreamMessageReader(toServer), new StreamMessageWriter(toClient)));
    return RecipeClient.over(toClient, toServer, options);
  }

  static async over(input: NodeJS.ReadableStream, output: NodeJS.WritableStream, { folder, confinedTo }: ClientOptions = {}): Promise<RecipeClient> {
    const client = new RecipeClient(createMessageConnection(new StreamMessageReader(input), new StreamMessageWriter(output)));
    const { capabilities } = await client.ask<{ capabilities: Record<string, unknown> }>("initialize", {
      processId: null,
      rootUri: null,
      capabilities: {},
      workspaceFolders: folder === undefined ? null : [{ uri: pathToFileURL(folder).href, name: "folder" }],
      initializationOptions: { confinedTo: confinedTo ?? null },
    });
    client.capabilities = capabilities;
    await client.connection.sendNotification("initialized", {});
    return client;
  }

  capabilities: Record<string, unknown> = {};

  /** Opens a text as the file `path` (nothing is written) and answers its diagnostics, the planner's among them. */
  async open(path: string, text: string): Promise<{ uri: string; diagnostics: Diagnostic[] }> {
    const uri = pathToFileURL(path).href;
    const version = ++this.version;
    const diagnostics = this.settled(uri, version);
    await this.connection.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId: "weight-loupe-recipe", version, text } });
    return { uri, diagnostics: await diagnostics };
  }

  /** Replaces a range of the text, or all of it. */
  async change(uri: string, text: string, range?: Range): Promise<Diagnostic[]> {
    const version = ++this.version;
    const diagnostics = this.settled(uri, version);
    await this.connection.sendNotification("textDocument/didChange", { textDocument: { uri, version }, contentChanges: [range === undefined ? { text } : { range, text }] });
    return diagnostics;
  }

  async close(uri: string): Promise<void> {
    await this.connection.sendNotification("textDocument/didClose", { textDocument: { uri } });
  }

  /** The first that come may be the reader's alone. Quick fixes wait for the plan, whose diagnostics are then there. */
  private async settled(uri: string, version: number): Promise<Diagnostic[]> {
    await new Promise<Diagnostic[]>((settled) => this.waiting.push({ uri, version, settled }));
    await this.actions(uri, { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } });
    return this.published.get(uri)!.diagnostics;
  }

  completion = (uri: string, position: Position): Promise<CompletionItem[]> => this.ask("textDocument/completion", { textDocument: { uri }, position });
  hover = (uri: string, position: Position): Promise<Hover | null> => this.ask("textDocument/hover", { textDocument: { uri }, position });
  definition = (uri: string, position: Position): Promise<Location | null> => this.ask("textDocument/definition", { textDocument: { uri }, position });
  symbols = (uri: string): Promise<DocumentSymbol[]> => this.ask("textDocument/documentSymbol", { textDocument: { uri } });
  folds = (uri: string): Promise<FoldingRange[]> => this.ask("textDocument/foldingRange", { textDocument: { uri } });
  lenses = (uri: string): Promise<CodeLens[]> => this.ask("textDocument/codeLens", { textDocument: { uri } });
  rename = (uri: string, position: Position, newName: string): Promise<WorkspaceEdit | null> => this.ask("textDocument/rename", { textDocument: { uri }, position, newName });
  prepareRename = (uri: string, position: Position): Promise<Range | null> => this.ask("textDocument/prepareRename", { textDocument: { uri }, position });
  references = (uri: string, position: Position): Promise<Location[] | null> => this.ask("textDocument/references", { textDocument: { uri }, position, context: { includeDeclaration: true } });
  actions = (uri: string, range: Range): Promise<CodeAction[]> => this.ask("textDocument/codeAction", { textDocument: { uri }, range, context: { diagnostics: [] } });

  ask<T>(method: string, params: object): Promise<T> {
    return this.connection.sendRequest(method, params);
  }

  async stop(): Promise<void> {
    await this.ask("shutdown", {});
    this.connection.dispose();
  }
}

/** The text without its `|`, and where that stood. */
export function marked(text: string): { text: string; position: Position } {
  const at = text.indexOf("|");
  const before = text.slice(0, at);
  return { text: before + text.slice(at + 1), position: { line: before.split("\n").length - 1, character: at - (before.lastIndexOf("\n") + 1) } };
}

/** The text with edits made. */
export function edited(text: string, edits: readonly { range: Range; newText: string }[]): string {
  const lines = text.split("\n");
  const offset = ({ line, character }: Position): number => lines.slice(0, line).reduce((sum, { length }) => sum + length + 1, 0) + character;
  return [...edits].sort((a, b) => offset(b.range.start) - offset(a.range.start)).reduce((result, { range, newText }) => result.slice(0, offset(range.start)) + newText + result.slice(offset(range.end)), text);
}
