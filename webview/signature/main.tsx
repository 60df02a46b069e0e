/** The page of robust weight signatures: connects to the host and draws. */
import { render } from "preact";
import { pageApi } from "../frame/page-api";
import { Frame } from "./frame";
import { createStore, type KeptState } from "./store";
import "./signature.css";

const root = document.getElementById("root")!;
render(<Frame store={createStore(pageApi<KeptState>())} />, root);
