/** The part of plotly.js that the plots use, as a script of its own, so that it delays no first paint. */
import * as Plotly from "plotly.js/lib/core";
import * as treemap from "plotly.js/lib/treemap";

Plotly.register([treemap]);
(globalThis as { weightLoupePlotly?: unknown }).weightLoupePlotly = Plotly;
