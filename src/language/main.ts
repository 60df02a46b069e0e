/** The language server's entry: speaks over what its arguments say, `--stdio`, `--node-ipc` or a pipe. */
import { createConnection, ProposedFeatures } from "vscode-languageserver/node";
import { serve } from "./server";

serve(createConnection(ProposedFeatures.all));
