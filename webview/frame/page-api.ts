/** A page's side of its webview: the port to the host, and the state that VS Code keeps while the page is hidden. */
import type { Packet, Port } from "../../src/protocol/rpc";

interface VsCodeApi<State> {
  postMessage(message: Packet): void;
  getState(): State | undefined;
  setState(state: State): void;
}
declare function acquireVsCodeApi<State>(): VsCodeApi<State>;

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
