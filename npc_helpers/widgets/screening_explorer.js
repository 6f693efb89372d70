// Checkboxes, and the flow of patients that Python computes for those that are ticked.

function render({ model, el }) {
  const root = element("div", { class: "npc-widget" });
  el.replaceChildren(root);

  const boxes = new Map();
  function group(kind) {
    const rows = model.get("criteria").filter((criterion) => criterion.kind === kind);
    return element("fieldset", { class: "npc-criteria" },
      element("legend", {}, `${kind} criteria`),
      ...rows.map((criterion) => {
        const box = element("input", { type: "checkbox", onchange: choose });
        boxes.set(criterion.name, box);
        return element("label", {}, box, element("span", {}, `${criterion.number}. ${criterion.text}`));
      }),
    );
  }
  function choose() {
    const names = model.get("criteria").map((criterion) => criterion.name);
    model.set("chosen", names.filter((name) => boxes.get(name).checked));
    model.save_changes();
    root.dataset.waiting = "yes";
  }

  const kinds = [...new Set(model.get("criteria").map((criterion) => criterion.kind))];
  const flow = element("ol", { class: "npc-flow", "aria-label": "patients that remain after each criterion" });
  const summary = element("dl", { class: "npc-facts", role: "status", "aria-live": "polite" });
  root.append(
    element("div", { class: "npc-columns" },
      element("div", {}, ...kinds.map(group)),
      element("div", {}, flow, summary),
    ),
    markOf(model),
  );

  function draw() {
    const steps = model.get("steps"), all = Math.max(1, steps[0][1]);
    flow.replaceChildren(...steps.map(([meaning, remaining, lost], position) => {
      const bar = element("div", { class: "npc-share" });
      bar.style.width = `${(100 * remaining) / all}%`;
      const less = position ? `−${lost.toLocaleString("en")}` : "";
      return element("li", {},
        bar,
        element("b", {}, remaining.toLocaleString("en")),
        element("span", { class: "npc-lost" }, less),
        element("span", {}, meaning),
      );
    }));
    summary.replaceChildren(...model.get("summary").flatMap(([label, text]) => [
      element("dt", {}, label), element("dd", {}, text),
    ]));
    root.dataset.waiting = "no";
  }
  function tick() {
    for (const [name, box] of boxes) box.checked = model.get("chosen").includes(name);
  }

  const reactions = { "change:summary": draw, "change:steps": draw, "change:chosen": tick };
  for (const [name, react] of Object.entries(reactions)) model.on(name, react);
  tick();
  draw();
  return () => {
    for (const [name, react] of Object.entries(reactions)) model.off(name, react);
  };
}

export default { render };
