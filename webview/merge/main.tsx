/** The page beside a recipe: connects to the host and draws. */
import { render } from "preact";
import type { MergeSubject, MergeViewState } from "../../src/protocol/merge";
import { pageApi } from "../frame/page-api";
import { Frame } from "./frame";
import { createStore } from "./store";
import "./merge.css";

const root = document.getElementById("root")!;
const subject = JSON.parse(root.dataset["subject"] ?? "{}") as MergeSubject;
render(<Frame store={createStore({ ...pageApi<MergeViewState>(), subject })} />, root);
