"use strict";
const path = document.currentScript.dataset.path;
const fetcher = GraphiQL.createFetcher({ url: path });
const page = React.createElement(GraphiQL, {
  fetcher,
  defaultEditorToolsVisibility: "headers",
  shouldPersistHeaders: false,
  defaultHeaders: '{\n  "x-auth-token": ""\n}',
});
ReactDOM.createRoot(document.getElementById("graphiql")).render(page);
