/** Several models of one base: what their view may ask of the host, and what the host tells it. */
import type { AnalysisProgress, EngineStatus, InspectHost } from "./inspect";
import type { Relations } from "./results";

/** URIs. */
export interface ModelsSubject {
  base: string;
  models: string[];
}

export type ModelsTab = "overview" | "tensors" | "findings";

/** What the view keeps over a reload of the window. */
export interface ModelsViewState {
  subject?: ModelsSubject;
  tab?: ModelsTab;
  pages?: Record<string, unknown>;
}

/** View → host. */
export interface ModelsHost extends Pick<InspectHost, "copy" | "save" | "showLog" | "restartEngine"> {
  /** The handshake. */
  ready(argument: Record<string, never>): { engine: EngineStatus };
  /** Relates them; what is known already is answered at once unless `again`. */
  relate(argument: { again: boolean }): Relations;
  stop(argument: Record<string, never>): void;
  /** Opens the inspector on a model (−1: the base), at a tensor when one is given. */
  inspect(argument: { model: number; tensor?: string }): void;
  /** Opens the comparison of the base with a model. */
  compare(argument: { model: number }): void;
}

/** Host → view. */
export interface ModelsView {
  progress(argument: AnalysisProgress): void;
  engine(argument: EngineStatus): void;
}
