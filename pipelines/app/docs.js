// Draws /openapi.json as a page, without scripts from elsewhere.
const made = (tag, text, kind) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const here = new URL(".", location.href).href.replace(/\/$/, "");
document.getElementById("example").textContent =
  `curl -F photo=@photo.jpg -F text="she nods twice" ${here}/api/jobs      # {"id": "…", "state": "waiting", …}\n` +
  `curl ${here}/api/jobs/ID                                               # … until "state" is "done"\n` +
  `curl -o out.mp4 ${here}/api/jobs/ID/files/video.mp4`;

fetch("openapi.json").then((answer) => answer.json()).then((api) => {
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
      const form = operation.requestBody && operation.requestBody.content["multipart/form-data"].schema.$ref;
      const fields = form ? api.components.schemas[form.split("/").pop()].properties : {};
      for (const [name, schema] of Object.entries(fields)) rows(table, name, schema, "form");
      const codes = Object.entries(operation.responses).map(([code, one]) => `${code} ${one.description}`).join(" · ");
      if (table.rows.length) section.append(table);
      section.append(made("p", codes, "quiet"));
      document.getElementById("operations").append(section);
    }
  }
});
