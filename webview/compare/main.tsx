/** The page of a comparison: connects to the host and draws. */
import { render } from "preact";
import type { CompareViewState } from "../../src/protocol/compare";
import { createCommands } from "../frame/commands";
import { afterDrawing, pageApi } from "../frame/page-api";
import { createStore } from "./create-store";
import { Frame } from "./frame";
import "./compare.css";

const root = document.getElementById("root")!;
const models = JSON.parse(root.dataset["subject"] ?? "{}") as { a: string; b: string };
const commands = createCommands();
const store = createStore({ ...pageApi<CompareViewState>(), models, afterDrawing, onCommand: (name) => commands.run(name) });
render(<Frame store={store} commands={commands} />, root);
