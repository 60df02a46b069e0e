/** Brings the pixels and values of the visible window: newest first, nothing twice, the old ones until the new ones are there. */
import type { PictureResult, ValuesResult, Window } from "../../src/engine/protocol";
import { RpcError } from "../../src/protocol/rpc";
import { decodePicture, pictureOfValues, type Picture } from "./heatmap-picture";

export interface HeatmapLoader {
  picture(window: Window, height: number, width: number, signal: AbortSignal): Promise<PictureResult>;
  values(window: Window, signal: AbortSignal): Promise<ValuesResult>;
}

export interface Shown {
  picture: Picture;
  /** Set when the window is small enough to be read as numbers. */
  values: ValuesResult | null;
}

/** Requests wait this long for the view to come to rest. */
const REST_MS = 70;
/** The engine's bound on one side of a picture. */
const MOST_PIXELS = 1024;

export class HeatmapSource {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #controller: AbortController | undefined;
  #asked = "";

  constructor(
    private readonly loader: HeatmapLoader,
    private readonly onShown: (shown: Shown) => void,
    private readonly onFailed: (message: string) => void,
  ) {}

  /** Asks for a window at that many device pixels; a request for another window is cancelled. */
  request(window: Window, height: number, width: number, asValues: boolean): void {
    const pixels = [Math.min(MOST_PIXELS, Math.max(1, Math.round(height))), Math.min(MOST_PIXELS, Math.max(1, Math.round(width)))] as const;
    const { rowStart, rowStop, columnStart, columnStop } = window;
    const key = [rowStart, rowStop, columnStart, columnStop, ...pixels, asValues].join();
    if (key === this.#asked) return;
    const first = this.#asked === "";
    this.#asked = key;
    clearTimeout(this.#timer);
    this.#controller?.abort();
    const controller = (this.#controller = new AbortController());
    this.#timer = setTimeout(() => void this.#load(window, pixels, asValues, controller.signal), first ? 0 : REST_MS);
  }

  async #load(window: Window, [height, width]: readonly [number, number], asValues: boolean, signal: AbortSignal): Promise<void> {
    try {
      if (asValues) {
        const values = await this.loader.values(window, signal);
        if (!signal.aborted) this.onShown({ picture: pictureOfValues(values, window), values });
      } else {
        const result = await this.loader.picture(window, height, width, signal);
        if (!signal.aborted) this.onShown({ picture: decodePicture(result, window), values: null });
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#asked = "";
      this.onFailed(error instanceof RpcError || error instanceof Error ? error.message : String(error));
    }
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#controller?.abort();
  }
}
