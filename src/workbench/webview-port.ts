/** A webview as one end of the typed calls in `src/protocol/rpc.ts`. */
import type * as vscode from "vscode";
import type { Packet, Port } from "../protocol/rpc";

/**
 * A page is gone while its tab is hidden and draws afresh when shown: what it would only be told is not sent meanwhile,
 * or VS Code would keep it all for later.
 * @param alive False once the panel was disposed; posting to it would throw.
 */
export function webviewPort(panel: vscode.WebviewPanel, alive: () => boolean): Port {
  const { webview } = panel;
  return {
    post(packet) {
      const told = packet.type === "call" && packet.id === undefined;
      if (alive() && (panel.visible || !told)) void webview.postMessage(packet);
    },
    listen(receive) {
      const subscription = webview.onDidReceiveMessage((message: unknown) => {
        if (isPacket(message)) receive(message);
      });
      return () => {
        subscription.dispose();
      };
    },
  };
}

function isPacket(message: unknown): message is Packet {
  if (typeof message !== "object" || message === null || !("type" in message)) return false;
  const packet = message as { type: unknown; id?: unknown; method?: unknown };
  switch (packet.type) {
    case "call":
      return typeof packet.method === "string" && (packet.id === undefined || typeof packet.id === "number");
    case "cancel":
    case "result":
    case "error":
      return typeof packet.id === "number";
    default:
      return false;
  }
}
