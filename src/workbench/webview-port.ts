/** A webview as one end of the typed calls in `src/protocol/rpc.ts`. */
import type * as vscode from "vscode";
import type { Packet, Port } from "../protocol/rpc";

/** @param alive False once the panel was disposed; posting to it would throw. */
export function webviewPort(webview: vscode.Webview, alive: () => boolean): Port {
  return {
    post(packet) {
      if (alive()) void webview.postMessage(packet);
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
