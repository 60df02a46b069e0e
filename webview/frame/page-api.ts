/** A page's side of its webview: the port to the host, and the state that VS Code keeps while the page is hidden. */
import type { Packet, Port } from "../../src/protocol/rpc";

interface VsCodeApi<State> {
  postMessage(message: Packet): void;
  getState(): State | undefined;
  setState(state: State): void;
}
declare function acquireVsCodeApi<State>(): VsCodeApi<State>;

/**
 * Calls `then` once the page is on screen with what it has now: VS Code shows a page when its style sheets and fonts are there. Where it
 * is not drawn, being covered, after a while.
 */
export function afterDrawing(then: () => void): void {
  let waiting = true;
  const once = (): void => {
    if (waiting) then();
    waiting = false;
  };
  // The first frame draws, before the second it is on screen; idle time comes after what that brings with it, such as fonts and plots.
  const draw = (): void => void requestAnimationFrame(() => requestAnimationFrame(() => requestIdleCallback(once)));
  if (document.readyState === "complete") draw();
  else window.addEventListener("load", draw, { once: true });
  setTimeout(once, 1000);
}

/** To be called once. `restored` is undefined when the page opens for the first time. */
export function pageApi<State>(): { port: Port; restored: State | undefined; keep: (state: State) => void } {
  const vscode = acquireVsCodeApi<State>();
  return {
    port: {
      post: (packet) => vscode.postMessage(packet),
      listen(receive) {
        const onMessage = (event: MessageEvent<Packet>): void => receive(event.data);
        window.addEventListener("message", onMessage);
        return () => window.removeEventListener("message", onMessage);
      },
    },
    restored: vscode.getState(),
    keep: (state) => vscode.setState(state),
  };
}
