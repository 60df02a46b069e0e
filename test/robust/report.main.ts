/** Writes `examples/robust/report.json` and `report.html`: `npm run build -- --tests && node out/test/robust/report.main.js`. With `--render` only the page, from the numbers that are there. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../files";
import { reportData, type ReportData } from "./report-data";
import { reportPage } from "./report-page";

const numbers = join(root, "examples", "robust", "report.json");

async function main(): Promise<void> {
  if (!process.argv.includes("--render")) writeFileSync(numbers, `${JSON.stringify(await reportData(), null, 1)}\n`);
  writeFileSync(join(root, "examples", "robust", "report.html"), reportPage(JSON.parse(readFileSync(numbers, "utf8")) as ReportData));
}

void main();
