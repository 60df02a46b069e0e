/** Entry of the tests that run inside VS Code's extension host. */
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import Mocha from "mocha";

/**
 * Runs every `*.test.js` beside this file. The outcome goes to files, since the host's output does not reach the terminal:
 * the counts to `$WEIGHT_LOUPE_TEST_RESULT`, what people read to the same name with `.log`.
 * @throws Error with the number of failures.
 */
export async function run(): Promise<void> {
  const { WEIGHT_LOUPE_TEST_RESULT: result, WEIGHT_LOUPE_TEST_GREP: grep } = process.env;
  const mocha = new Mocha({ ui: "bdd", timeout: 60_000, color: false, ...(grep ? { grep } : {}) });
  for (const file of readdirSync(__dirname).sort()) {
    if (file.endsWith(".test.js")) mocha.addFile(path.join(__dirname, file));
  }
  const lines: string[] = [];
  const failures = await new Promise<number>((resolve) => {
    const runner = mocha.run(resolve);
    const at = (test: Mocha.Test): string => test.titlePath().join(" › ");
    runner.on("pass", (test) => lines.push(`  ✔ ${at(test)}`));
    runner.on("fail", (test, error: Error) => lines.push(`  ✘ ${at(test)}\n${(error.stack ?? error.message).replace(/^/gm, "      ")}`));
    runner.on("end", () => {
      if (!result) return;
      writeFileSync(`${result}.log`, `${lines.join("\n")}\n`);
      writeFileSync(result, JSON.stringify({ passed: runner.stats?.passes ?? 0, failed: runner.stats?.failures ?? 0 }));
    });
  });
  if (failures > 0) throw new Error(`${failures} tests failed.`);
}
