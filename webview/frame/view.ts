/** What the pages of all views have in common: the shared frame knows a view's store by this and nothing else. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { AnalysisProgress, EngineStatus } from "../../src/protocol/inspect";
import type { PlotHost } from "../plots/host";

export interface PageView {
  /** The clipboard and the save dialog. */
  readonly files: PlotHost;
  readonly progress: ReadonlySignal<AnalysisProgress | null>;
  readonly engine: ReadonlySignal<EngineStatus>;
  readonly canGoBack: ReadonlySignal<boolean>;
  readonly canGoForward: ReadonlySignal<boolean>;
  back(): void;
  forward(): void;
  stopAnalysis(): void;
  restartEngine(): void;
  showLog(): void;
  /** Puts text on the clipboard and says so in the status line. */
  copy(text: string, what: string): void;
  /** Asks where to save, saves, and says so in the status line. */
  save(name: string, content: string): void;
  /** A passing remark, shown in the status line and read out. */
  readonly remark: ReadonlySignal<Remark | null>;
  say(text: string, error?: boolean): void;
  /** Small state of a page that survives a reload of the window (axis scales, chosen statistic …). */
  pageState<T>(key: string, initial: T): Signal<T>;
}

export interface Remark {
  text: string;
  error: boolean;
}
