/** The page of several models of one base: connects to the host and draws. */
import { render } from "preact";
import type { ModelsSubject, ModelsViewState } from "../../src/protocol/models";
import { pageApi } from "../frame/page-api";
import { Frame } from "./frame";
import { createStore } from "./store";
import "./models.css";

const root = document.getElementById("root")!;
const subject = JSON.parse(root.dataset["subject"] ?? "{}") as ModelsSubject;
render(<Frame store={createStore({ ...pageApi<ModelsViewState>(), subject })} />, root);
