// Type-aware lint, and the direction of dependencies: workbench, cli → analysis → engine, checkpoint; pages know neither Node nor VS Code.
import { builtinModules } from "node:module";
import tseslint from "typescript-eslint";

/** What each folder of src/ may not import from: everything that stands above or beside it. */
const forbidden = /** @type {Record<string, string[]>} */ ({
  protocol: ["analysis", "checkpoint", "cli", "language", "merge", "workbench"],
  engine: ["analysis", "checkpoint", "cli", "language", "merge", "workbench"],
  checkpoint: ["analysis", "cli", "language", "merge", "workbench"],
  analysis: ["cli", "language", "merge", "workbench"],
  merge: ["cli", "language", "workbench"],
  language: ["cli", "workbench"],
  cli: ["language", "workbench"],
  workbench: ["cli"],
});

/** A page runs in a browser; the host's logic below the workbench runs without an editor. */
const noVscode = { name: "vscode", message: "Only src/workbench may use VS Code's API." };
const noNode = {
  group: [...builtinModules.filter((name) => !name.startsWith("_")).flatMap((name) => [name, `${name}/*`]), "node:*"],
  message: "A page has no Node.",
};

/**
 * Forbids relative imports that climb out and into one of `folders`.
 * @param {string[]} folders
 * @param {string} message
 */
function into(folders, message) {
  return { regex: `^(\\.\\./)+(src/)?(${folders.join("|")})(/|$)`, message };
}

export default tseslint.config(
  { ignores: ["dist/", "out/", "node_modules/", "native/", "test/fixtures/", "test/results/", ".vscode-test/"] },
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports", disallowTypeAnnotations: false }],
      "@typescript-eslint/prefer-promise-reject-errors": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-control-regex": "error",
      "no-eval": "error",
      "no-implied-eval": "off",
      "@typescript-eslint/no-implied-eval": "error",
      // Interfaces here are written with method syntax and kept by objects of closures, which need no `this`.
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-unused-expressions": ["error", { allowShortCircuit: true, allowTernary: true }],
      "@typescript-eslint/no-namespace": ["error", { allowDeclarations: true }],
      eqeqeq: ["error", "always", { null: "ignore" }],
    },
  },
  ...Object.entries(forbidden).map(([folder, above]) => ({
    files: [`src/${folder}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          paths: folder === "workbench" ? [] : [noVscode],
          patterns: [
            into(above, `src/${folder} may not depend on this folder; dependencies point from workbench and cli to analysis to engine and checkpoint.`),
            into(["webview"], "The host knows the pages through src/protocol only."),
          ],
        },
      ],
    },
  })),
  {
    files: ["webview/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        { paths: [noVscode], patterns: [noNode, into(["analysis", "cli", "workbench"], "A page knows the host through src/protocol only.")] },
      ],
    },
  },
);
