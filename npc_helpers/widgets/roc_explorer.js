// ROC curves whose threshold is moved here; all numbers follow from the points of the curves.

const SIDE = 360; // of the plot, in its own units
const [LEFT, TOP, RIGHT, BOTTOM] = [60, 8, 10, 40]; // room for axes and their labels
const TICKS = [0, 0.25, 0.5, 0.75, 1];

function render({ model, el }) {
  const root = element("div", { class: "npc-widget" });
  el.replaceChildren(root);
  const curves = model.get("curves"), { high, low } = model.get("totals");
  const x = (fpr) => LEFT + fpr * SIDE, y = (tpr) => TOP + (1 - tpr) * SIDE;
  const chosen = () => curves.find((curve) => curve.name === model.get("model")) || curves[0];
  const position = () => clamp(model.get("position"), 0, chosen().points.length - 1);

  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
    draw();
  };

  // --- the page ------------------------------------------------------------------------------

  const plot = shape("svg", { class: "npc-plot", "aria-hidden": "true",
    viewBox: `0 0 ${LEFT + SIDE + RIGHT} ${TOP + SIDE + BOTTOM}` });
  const lines = shape("g"), equal = shape("line", { class: "npc-equal" });
  const points = shape("g"), cheapest = shape("path", { class: "npc-cheapest" });
  const handle = shape("circle", { class: "npc-handle", r: 8 });
  plot.append(axes(), equal, lines, points, cheapest, handle);

  const choices = curves.map((curve) => {
    const box = element("input", { type: "radio", name: `npc-model-${model.model_id || ""}`, value: curve.name,
      onchange: () => choose(curve) });
    const sample = shape("svg", { class: "npc-sample", viewBox: "0 0 30 8", "aria-hidden": "true" });
    sample.append(shape("line", { x1: 0, y1: 4, x2: 30, y2: 4, stroke: curve.colour, "stroke-dasharray": curve.dash }));
    return element("label", {}, box, sample, element("span", {}, `${curve.name}: AUC ${curve.auc}`));
  });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "threshold, from strict to lenient",
    oninput: () => set("position", Number(slider.value)) });
  const threshold = element("output", { class: "npc-output" });
  const weight = element("input", { type: "range", min: 1, max: 20, step: 1,
    "aria-label": "weight of a missed patient", oninput: () => set("weight", Number(weight.value)) });
  const weightText = element("output", { class: "npc-output" });
  const cells = Object.fromEntries(["found", "missed", "alarms", "spared", "called", "uncalled"]
    .map((name) => [name, element("td")]));
  const measures = element("dl", { class: "npc-facts" });
  const cost = element("div", { class: "npc-status", role: "status", "aria-live": "polite" });
  const least = element("button", { type: "button", onclick: () => set("position", cheapestPosition()) },
    "go to the least cost");
  root.append(
    element("div", { class: "npc-columns npc-roc" },
      element("div", {}, plot, element("label", { class: "npc-long" }, "threshold", slider, threshold)),
      element("div", {},
        element("fieldset", { class: "npc-criteria" }, element("legend", {}, "whose threshold"), ...choices),
        table(), measures,
        element("label", { class: "npc-long" }, "a missed patient weighs as much as", weight, weightText),
        cost, least,
      ),
    ),
    markOf(model),
  );

  function axes() {
    const group = shape("g", { class: "npc-axes" });
    const write = (text, attributes) => {
      const label = shape("text", attributes);
      label.textContent = text;
      group.append(label);
    };
    group.append(shape("line", { x1: x(0), y1: y(0), x2: x(1), y2: y(1), class: "npc-chance" }));
    for (const tick of TICKS) {
      group.append(shape("line", { x1: x(tick), y1: y(0), x2: x(tick), y2: y(0) + 5 }));
      group.append(shape("line", { x1: x(0) - 5, y1: y(tick), x2: x(0), y2: y(tick) }));
      write(tick, { x: x(tick), y: y(0) + 17, "text-anchor": "middle" });
      write(tick, { x: x(0) - 8, y: y(tick) + 4, "text-anchor": "end" });
    }
    group.append(shape("rect", { x: x(0), y: y(1), width: SIDE, height: SIDE }));
    write("1 − specificity (false alarms)", { x: x(0.5), y: y(0) + 34, "text-anchor": "middle" });
    write("sensitivity (found)", { x: 14, y: y(0.5), "text-anchor": "middle", transform: `rotate(-90 14 ${y(0.5)})` });
    return group;
  }

  function table() {
    const head = (...texts) => element("tr", {}, ...texts.map((text) => element("th", { scope: "col" }, text)));
    const row = (name, ...content) => element("tr", {}, element("th", { scope: "row" }, name), ...content);
    return element("table", { class: "npc-table" },
      element("thead", {}, head("patients", "truly high-risk", "truly low-risk", "all")),
      element("tbody", {},
        row("called high-risk", cells.found, cells.alarms, cells.called),
        row("called low-risk", cells.missed, cells.spared, cells.uncalled),
        row("all", element("td", {}, String(high)), element("td", {}, String(low)), element("td", {}, String(high + low))),
      ),
    );
  }

  // --- numbers -------------------------------------------------------------------------------

  function counts([, fpr, tpr]) {
    const found = Math.round(tpr * high), alarms = Math.round(fpr * low);
    return { found, missed: high - found, alarms, spared: low - alarms };
  }
  const price = ({ missed, alarms }) => (model.get("weight") * missed + alarms) / (high + low);

  function cheapestPosition() {
    const prices = chosen().points.map((point) => price(counts(point)));
    return prices.indexOf(Math.min(...prices));
  }
  const share = (part, whole) => (whole ? `${(part / whole).toFixed(3)} (${part} of ${whole})` : "–");
  const say = (value) => (value === "inf" ? "above all scores" : Number(value).toPrecision(3));

  // Another model: the point with the nearest share of patients called high-risk.
  function choose(curve) {
    const { found, alarms } = counts(chosen().points[position()]);
    const away = curve.points.map((point) => {
      const other = counts(point);
      return Math.abs(other.found + other.alarms - found - alarms);
    });
    model.set("model", curve.name);
    set("position", away.indexOf(Math.min(...away)));
  }

  // --- drawing -------------------------------------------------------------------------------

  const draw = oncePerFrame(() => {
    const curve = chosen(), point = curve.points[position()], here = counts(point);
    lines.replaceChildren(...curves.map(lineOf));
    points.replaceChildren(...curve.points.map(([, fpr, tpr]) =>
      shape("circle", { cx: x(fpr), cy: y(tpr), r: 2.5, fill: curve.colour })));
    handle.setAttribute("cx", x(point[1]));
    handle.setAttribute("cy", y(point[2]));
    handle.setAttribute("fill", curve.colour);
    drawCosts(curve, point);
    for (const [name, cell] of Object.entries(cells)) cell.textContent = here[name] ?? "";
    cells.called.textContent = here.found + here.alarms;
    cells.uncalled.textContent = here.missed + here.spared;
    slider.max = curve.points.length - 1;
    slider.value = position();
    threshold.textContent = say(point[0]);
    slider.setAttribute("aria-valuetext", `${say(point[0])}, ${here.found + here.alarms} called high-risk`);
    for (const choice of choices) {
      const box = choice.querySelector("input");
      box.checked = box.value === curve.name;
    }
    showMeasures(here);
    showCosts(here);
  });

  function lineOf(curve) {
    const path = curve.points.map(([, fpr, tpr], i) => `${i ? "L" : "M"}${x(fpr)} ${y(tpr)}`).join("");
    return shape("path", { d: path, stroke: curve.colour, "stroke-dasharray": curve.dash,
      class: curve === chosen() ? "npc-curve npc-chosen" : "npc-curve" });
  }

  // The broken line joins what costs the same as the point; the diamond is the cheapest point.
  function drawCosts(curve, [, fpr, tpr]) {
    const slope = low / (model.get("weight") * high);
    const ends = [0, 1].map((edge) => [edge, tpr + slope * (edge - fpr)]).map(([a, b]) =>
      b < 0 ? [fpr - tpr / slope, 0] : b > 1 ? [fpr + (1 - tpr) / slope, 1] : [a, b]);
    for (const [i, [a, b]] of ends.entries()) {
      equal.setAttribute(`x${i + 1}`, x(a));
      equal.setAttribute(`y${i + 1}`, y(b));
    }
    const [, a, b] = curve.points[cheapestPosition()];
    cheapest.setAttribute("d", `M${x(a)} ${y(b) - 9}l9 9l-9 9l-9 -9z`);
  }

  function showMeasures({ found, missed, alarms, spared }) {
    const rows = [["sensitivity", share(found, high)], ["specificity", share(spared, low)],
      ["right among those called high-risk", share(found, found + alarms)],
      ["right among those called low-risk", share(spared, missed + spared)]];
    measures.replaceChildren(...rows.flatMap(([label, text]) => [element("dt", {}, label), element("dd", {}, text)]));
  }

  function showCosts(here) {
    const count = model.get("weight"), best = chosen().points[cheapestPosition()];
    weight.value = count;
    weightText.textContent = count === 1 ? "1 false alarm" : `${count} false alarms`;
    cost.textContent = `Cost per 100 patients: ${(100 * price(here)).toFixed(1)}; least ` +
      `${(100 * price(counts(best))).toFixed(1)}, at threshold ${say(best[0])}.`;
    least.disabled = cheapestPosition() === position();
  }

  // --- pointer -------------------------------------------------------------------------------

  function toNearest(event) {
    const box = plot.getBoundingClientRect(), scale = (LEFT + SIDE + RIGHT) / box.width;
    const [px, py] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const away = chosen().points.map(([, fpr, tpr]) => Math.hypot(x(fpr) - px, y(tpr) - py));
    const nearest = away.indexOf(Math.min(...away));
    if (nearest !== position()) set("position", nearest);
  }
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    plot.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true }); // the arrow keys go on from here
    toNearest(event);
  });
  plot.addEventListener("pointermove", (event) => plot.hasPointerCapture(event.pointerId) && toNearest(event));

  for (const name of ["model", "position", "weight"]) model.on(`change:${name}`, draw);
  draw();
  return () => {
    for (const name of ["model", "position", "weight"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
