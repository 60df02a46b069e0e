/** The inspector's page: connects to the host and draws. */
import { render } from "preact";
import type { ViewState } from "../../src/protocol/inspect";
import { createCommands } from "../frame/commands";
import { pageApi } from "../frame/page-api";
import { createStore } from "./create-store";
import { Frame } from "./frame";
import "./inspect.css";

const commands = createCommands();
const store = createStore({ ...pageApi<ViewState>(), onCommand: (name) => commands.run(name) });
render(<Frame store={store} commands={commands} />, document.getElementById("root")!);
