// Draws /openapi.json as a page, without scripts from elsewhere.
const made = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const here = new URL(".", location.href).href.replace(/\/$/, "");
const quoted = (value) => (/^[\w@.:]+$/.test(value) ? value : `"${value}"`);
const curl = (fields) => `curl ${Object.entries(fields).map(([name, value]) => `-F ${name}=${quoted(value)}`).join(" ")} ${here}/api/jobs`;
const examples = (api) => {
  const given = Object.entries(api.paths["/api/jobs"].post.requestBody.content["multipart/form-data"].examples);
  return given.map(([name, one]) => `# ${name}\n${curl(one.value)}\n`).join("") +
    `\n# the answer is {"id": "ID", "state": "waiting", …}; ask until "state" is "done", and fetch the video\n` +
    `curl ${here}/api/jobs/ID\ncurl -o out.mp4 ${here}/api/jobs/ID/files/video.mp4`;
};

fetch("openapi.json").then((answer) => answer.json()).then((api) => {
  document.getElementById("example").textContent = examples(api);
  const properties = (schema) => (schema && schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()].properties : {});
  const kind = (schema) => {
    const options = (schema.anyOf || [schema]).filter((one) => one.type !== "null");
    const one = options[0] || {};
    if (one.contentMediaType || one.format === "binary") return "file";
    return one.enum ? one.enum.join(", ") : one.type || "object";
  };
  const rows = (table, name, schema, place, description) => {
    const row = table.appendChild(made("tr"));
    row.append(made("td"));
    row.firstChild.append(made("code", name));
    row.append(made("td", `${place}, ${kind(schema)}${schema.default === undefined ? "" : `, default ${schema.default}`}`, "quiet"), made("td", description || schema.description || ""));
  };
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const [verb, operation] of Object.entries(verbs)) {
      const section = made("section");
      const title = section.appendChild(made("h2"));
      title.append(made("span", verb.toUpperCase(), "verb"), made("code", path));
      section.append(made("p", operation.summary + (operation.description ? `. ${operation.description}` : "")));
      const table = made("table");
      for (const one of operation.parameters || []) rows(table, one.name, one.schema, one.in, one.description);
      const form = operation.requestBody && operation.requestBody.content["multipart/form-data"].schema;
      for (const [name, schema] of Object.entries(properties(form))) rows(table, name, schema, "form");
      const [good] = Object.entries(operation.responses).filter(([code]) => code < 300).map(([, one]) => one.content);
      const answer = good && good["application/json"] && good["application/json"].schema;
      for (const [name, schema] of Object.entries(properties(answer))) rows(table, name, schema, "answer");
      const codes = Object.entries(operation.responses).map(([code, one]) => `${code} ${one.description}`).join(" · ");
      if (table.rows.length) section.append(table);
      section.append(made("p", codes, "quiet"));
      document.getElementById("operations").append(section);
    }
  }
});
