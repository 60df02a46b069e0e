/** What the view of robust weight signatures and its host say to each other. */
import type { AnalysisProgress, EngineStatus, InspectHost } from "./inspect";
import type { SignatureCompare, SignatureExtract } from "./results";

/** Where models are put: one base, one clean fine-tune, several robust ones. */
export type Well = "base" | "clean" | "robust";

export interface SignatureModels {
  /** Absolute paths. */
  base: string | null;
  clean: string | null;
  robust: string[];
}

export interface SignatureEntry {
  path: string;
  name: string;
  bytes: number;
  fullCopyBytes: number;
  tensors: number;
  projected: boolean;
  /** "linear, 16 levels"; null for F32. */
  quantised: string | null;
}

export interface SignatureSnapshot {
  models: SignatureModels;
  /** Whether files may be written: not in a workspace that is not trusted. */
  trusted: boolean;
  /** Of the models in the wells; null until it is computed, and while something is missing. */
  measured: Pick<SignatureExtract, "units" | "layers" | "findings" | "how"> | null;
  signatures: SignatureEntry[];
  /** Of all signatures; null for none. */
  comparison: SignatureCompare | null;
  /** Why something could not be computed. */
  problem: string | null;
  engine: EngineStatus;
}

export interface SignatureHost {
  ready(argument: Record<string, never>): SignatureSnapshot;
  /** Asks for a model. */
  pick(argument: { well: Well }): void;
  /** Puts dropped files (URIs) into a well. */
  drop(argument: { well: Well; uris: string[] }): void;
  clear(argument: { well: Well; index: number }): void;
  /** Makes signatures of all robust models in a folder that is asked for. @returns what came of it; null when dismissed. */
  extract(argument: { layers: number; quantise: { scheme: string; levels: number } | null }): string | null;
  /** Asks for signature files. */
  addSignatures(argument: Record<string, never>): void;
  forget(argument: { index: number }): void;
  /** Asks for the model and for the file to write. */
  apply(argument: { index: number; alpha: number }): string | null;
  /** Asks for the patched model and for the file to write. */
  remove(argument: { index: number }): string | null;
  stop(argument: Record<string, never>): void;
  copy: InspectHost["copy"];
  save: InspectHost["save"];
  showLog(argument: Record<string, never>): void;
  restartEngine(argument: Record<string, never>): void;
}

export interface SignatureView {
  changed(snapshot: SignatureSnapshot): void;
  progress(progress: AnalysisProgress): void;
  engine(status: EngineStatus): void;
}
