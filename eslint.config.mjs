// Type-aware lint, and the direction of dependencies: workbench, cli → analysis → engine, checkpoint; pages know neither Node nor VS Code.
import { builtinModules } from "node:module";
import importX from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** What each folder of src/ may not import from: everything that stands above or beside it. */
const forbidden = /** @type {Record<string, string[]>} */ ({
  protocol: ["analysis", "checkpoint", "cli", "workbench"],
  engine: ["analysis", "checkpoint", "cli", "workbench"],
  checkpoint: ["analysis", "cli", "workbench"],
  analysis: ["cli", "workbench"],
  cli: ["workbench"],
  workbench: ["cli"],
});

const zones = [
  ...Object.entries(forbidden).map(([target, from]) => ({
    target: `./src/${target}`,
    from: from.map((name) => `./src/${name}`),
    message: `src/${target} may not depend on this folder; dependencies point from workbench and cli to analysis to engine and checkpoint.`,
  })),
  { target: "./src", from: "./webview", message: "The host knows the pages through src/protocol only." },
  {
    target: "./webview",
    from: ["./src/analysis", "./src/cli", "./src/workbench"],
    message: "A page knows the host through src/protocol only.",
  },
];

/** A page runs in a browser; the host's logic below the workbench runs without an editor. */
const noVscode = { name: "vscode", message: "Only src/workbench may use VS Code's API." };
const noNode = {
  group: [...builtinModules.filter((name) => !name.startsWith("_")).flatMap((name) => [name, `${name}/*`]), "node:*"],
  message: "A page has no Node.",
};

export default tseslint.config(
  { ignores: ["dist/", "out/", "node_modules/", "native/", "test/fixtures/", "test/results/", ".vscode-test/"] },
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.recommendedTypeChecked],
    plugins: { "import-x": importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: { "import-x/resolver-next": [importX.createNodeResolver({ extensions: [".ts", ".tsx", ".mjs", ".js"] })] },
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
      "import-x/no-restricted-paths": ["error", { zones, basePath: import.meta.dirname }],
      "import-x/no-cycle": "error",
    },
  },
  { files: ["src/{analysis,checkpoint,cli,engine,protocol}/**"], rules: { "no-restricted-imports": ["error", { paths: [noVscode] }] } },
  { files: ["webview/**"], rules: { "no-restricted-imports": ["error", { paths: [noVscode], patterns: [noNode] }] } },
);
