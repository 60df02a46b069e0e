/** The inspector's page: connects to the host and draws. */
import { render } from "preact";
import type { ViewState } from "../../src/protocol/inspect";
import type { Packet } from "../../src/protocol/rpc";
import { createStore } from "./create-store";
import { Frame } from "./frame";
import { createCommands } from "./commands";
import "./inspect.css";

interface VsCodeApi {
  postMessage(message: Packet): void;
  getState(): ViewState | undefined;
  setState(state: ViewState): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

const vscode = acquireVsCodeApi();
const commands = createCommands();
const store = createStore({
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
  onCommand: (name) => commands.run(name),
});
render(<Frame store={store} commands={commands} />, document.getElementById("root")!);
