// Checkboxes, and the flow of patients that follows from those that are ticked.

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
    draw();
  }

  const kinds = [...new Set(model.get("criteria").map((criterion) => criterion.kind))];
  const flow = element("ol", { class: "npc-flow", "aria-label": "patients that remain after each criterion" });
  const summary = element("dl", { class: "npc-facts" });
  root.append(
    element("div", { class: "npc-columns" },
      element("div", {}, ...kinds.map(group)),
      element("div", {}, flow, element("div", { "aria-live": "polite" }, summary)),
    ),
    markOf(model),
  );

  // --- numbers -------------------------------------------------------------------------------

  // A patient is lost at the first chosen criterion not passed.
  function flowOf(patients, criteria) {
    const steps = [["in the registry", patients.length, 0]];
    let remaining = patients;
    for (const { name, kind, number, text } of criteria) {
      const before = remaining.length;
      remaining = remaining.filter(([failed]) => !failed.includes(name));
      const meaning = `${kind[0].toUpperCase()}${kind.slice(1)} ${number}: ${text}`;
      steps.push([meaning, remaining.length, before - remaining.length]);
    }
    return { steps, remaining };
  }
  const shareOf = (n, all) => `${Math.round((100 * n) / all)}%`;

  function summaryOf(patients) {
    const all = patients.length, events = patients.filter(([, event]) => event).length;
    const happened = all ? `${events} of ${all.toLocaleString("en")} (${shareOf(events, all)})` : "–";
    const lines = [["patients", all.toLocaleString("en")],
      ["progressed or died", all && !model.get("with_outcomes") ? "no outcomes in the registry" : happened]];
    const ages = patients.map(([, , age]) => age).filter((age) => age !== null);
    if (ages.length > 1) {
      const mean = ages.reduce((sum, age) => sum + age, 0) / ages.length;
      const spread = Math.sqrt(ages.reduce((sum, age) => sum + (age - mean) ** 2, 0) / (ages.length - 1));
      lines.push(["age", `${mean.toFixed(1)} ± ${spread.toFixed(1)} years`]);
    }
    for (const [i, label] of model.get("counted").entries()) {
      const counts = new Map();
      for (const [, , , groups] of patients) counts.set(groups[i], (counts.get(groups[i]) || 0) + 1);
      const parts = [...counts].filter(([value]) => value !== "").sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([value, n]) => `${value} ${n} (${shareOf(n, all)})`);
      lines.push([label, parts.join(", ") || "–"]);
    }
    return lines;
  }

  // --- drawing -------------------------------------------------------------------------------

  function draw() {
    const chosen = model.get("criteria").filter(({ name }) => model.get("chosen").includes(name));
    const { steps, remaining } = flowOf(model.get("patients"), chosen), all = Math.max(1, steps[0][1]);
    flow.replaceChildren(...steps.map(([meaning, count, lost], position) => {
      const bar = element("div", { class: "npc-share" });
      bar.style.width = `${(100 * count) / all}%`;
      const less = position ? `−${lost.toLocaleString("en")}` : "";
      return element("li", {},
        bar,
        element("b", {}, count.toLocaleString("en")),
        element("span", { class: "npc-lost" }, less),
        element("span", {}, meaning),
      );
    }));
    summary.replaceChildren(...summaryOf(remaining).flatMap(([label, text]) => [
      element("dt", {}, label), element("dd", {}, text),
    ]));
    for (const [name, box] of boxes) box.checked = model.get("chosen").includes(name);
  }

  model.on("change:chosen", draw);
  draw();
  return () => model.off("change:chosen", draw);
}

export default { render };
