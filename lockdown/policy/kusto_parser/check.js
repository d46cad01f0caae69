// Reads {"schema": {table: {column: "string" | "dynamic"}}, "queries": [text, ...]} from standard input and writes, for each
// query, the errors of Microsoft's parser and binder: [[{"start": offset, "code": "KS...", "message": text}, ...], ...].
"use strict";

const path = require("path");
const fs = require("fs");

const library = path.join(process.argv[2], "node_modules", "@kusto", "language-service-next");
global.Bridge = require(path.join(library, "bridge.min.js"));
require(path.join(library, "Kusto.Language.Bridge.min.js"));

const { schema, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const { Symbols, GlobalState, KustoCode } = Kusto.Language;
const typed = { string: Symbols.ScalarTypes.String, dynamic: Symbols.ScalarTypes.Dynamic };
const tables = Object.entries(schema).map(
  ([name, columns]) =>
    new Symbols.TableSymbol.$ctor4(
      name,
      Object.entries(columns).map(([column, type]) => new Symbols.ColumnSymbol(column, typed[type])),
    ),
);
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("ResourceGraph", tables));

const answers = queries.map((query) => {
  const found = [];
  const diagnostics = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  for (let index = 0; index < diagnostics.Count; index += 1) {
    const { Severity, Start, Code, Message } = diagnostics.getItem(index);
    if (Severity === "Error") found.push({ start: Start, code: Code, message: Message });
  }
  return found;
});
process.stdout.write(JSON.stringify(answers));
