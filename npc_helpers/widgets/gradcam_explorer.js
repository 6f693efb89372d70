// Grad-CAM maps over the images of one patient. Maps arrive as a few dozen signed cells; they
// are placed by receptive field (as Geometry.to_image does), scaled and coloured here.

const NAMES = {
  own: "each time point's own", pre: "Pre-model", post: "Post-model",
  margin: "high against low risk (margin)", logit: "high-risk neuron (logit)",
  softmax: "probability (softmax)", paper: "the paper's four colours",
  image: "each image", patient: "this patient", cohort: "the cohort",
};

function render({ model, el }) {
  const root = element("div", { class: "npc-widget" });
  el.replaceChildren(root);
  let panes = {}, volumes = {}, masks = {}, values = {}, tables = {}, hidden = false, waiting = 0;

  const ends = [];
  function listen(name, react) {
    model.on(`change:${name}`, react);
    ends.push(() => model.off(`change:${name}`, react));
  }

  // --- the page ------------------------------------------------------------------------------

  const set = (name, value) => {
    model.set(name, value);
    model.save_changes();
    draw();
  };
  function choice(name, label, options) {
    const list = element("select", { "aria-label": label, onchange: () => {
      if (name === "patient_id" || (name === "model" && !mapsAreHere(list.value))) busy();
      set(name, list.value);
    } });
    list.replaceChildren(...options.map((value) => element("option", { value }, NAMES[value] || value)));
    const show = () => (list.value = model.get(name));
    show();
    listen(name, show);
    return element("label", {}, label, list);
  }
  function tick(name, label) {
    const box = element("input", { type: "checkbox", onchange: () => set(name, box.checked) });
    box.checked = model.get(name);
    listen(name, () => (box.checked = model.get(name)));
    return element("label", {}, box, label);
  }
  function range(name, label, most, step) {
    const bar = element("input", { type: "range", min: 0, max: most, step, "aria-label": label,
      "data-name": name, oninput: () => set(name, Number(bar.value)) });
    bar.value = model.get(name);
    listen(name, () => (bar.value = model.get(name)));
    return element("label", {}, label, bar);
  }
  const sliceBar = range("slice_index", "slice", 1, 1);
  const sequences = element("select", { "aria-label": "sequence", onchange: () => set("sequence", sequences.value) });
  const scale = element("canvas", { class: "npc-scale", width: 256, height: 1, "aria-hidden": "true" });
  const scaleText = element("span");
  const status = element("div", { class: "npc-status", role: "status", "aria-live": "polite" });
  const message = element("div", { class: "npc-message", role: "alert" });
  const stage = element("div", { class: "npc-stage" });
  const hideButton = element("button", { type: "button", title: "hide the map while held (F)",
    onpointerdown: () => flicker(true), onpointerup: () => flicker(false), onpointerleave: () => flicker(false) }, "image only");
  const patients = choice("patient_id", "patient", model.get("patients"));
  const rarely = element("details", { class: "npc-more" },
    element("summary", { tabindex: "0" }, "model, target, colours …"),
    element("div", { class: "npc-bar" },
      choice("model", "model", ["own", "pre", "post"]),
      choice("target", "target", ["margin", "logit", "softmax"]),
      choice("colours", "colours", Object.keys(model.get("tables"))),
      choice("scale", "full colour at the maximum of", ["image", "patient", "cohort"]),
      tick("cells", "cells"), tick("outline", "tumour outline"),
    ),
  );
  root.append(
    element("div", { class: "npc-bar" },
      element("button", { type: "button", title: "previous patient ([)", "aria-label": "previous patient ([)",
        onclick: () => step(-1) }, "‹"),
      patients,
      element("button", { type: "button", title: "next patient (])", "aria-label": "next patient (])",
        onclick: () => step(1) }, "›"),
      element("label", {}, "sequence", sequences), sliceBar,
      range("opacity", "opacity", 1, 0.01), hideButton,
    ),
    rarely,
    stage,
    element("div", { class: "npc-bar" }, scale, scaleText, markOf(model)),
    status, message,
  );

  const mapsAreHere = (chosen) => Object.keys(model.get("examinations"))
    .every((when) => values[`${when} ${chosen === "own" ? when : chosen}`]);

  function busy() {
    status.textContent = "computing …";
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      message.textContent = "The kernel does not answer. Is it busy, or was it restarted?";
    }, 20000);
  }

  function step(by) {
    const names = model.get("patients");
    const next = names[names.indexOf(model.get("patient_id")) + by];
    if (next === undefined) return;
    busy();
    set("patient_id", next);
  }

  function flicker(on) {
    hidden = on;
    draw();
  }

  // --- data ----------------------------------------------------------------------------------

  const sequence = (when) => model.get("examinations")[when].sequences[model.get("sequence")];
  const sliceOf = (images) => clamp(model.get("slice_index"), 0, images.shape[0] - 1);

  function loadPatient() {
    [volumes, masks, panes] = [{}, {}, {}];
    const names = new Set();
    for (const [when, examination] of Object.entries(model.get("examinations"))) {
      volumes[when] = {};
      for (const [name, images] of Object.entries(examination.sequences)) {
        names.add(name);
        volumes[when][name] = typed(Uint8Array, images.pixels);
      }
      masks[when] = examination.mask && typed(Uint8Array, examination.mask);
      panes[when] = makePane(when, examination);
    }
    stage.replaceChildren(...Object.values(panes).map((pane) => pane.root));
    sequences.replaceChildren(...[...names].map((name) => element("option", { value: name }, name.toUpperCase())));
    loadMaps();
  }

  function loadMaps() {
    clearTimeout(waiting);
    message.textContent = status.textContent = "";
    values = {};
    for (const [name, maps] of Object.entries(model.get("maps"))) {
      values[name] = { shape: maps.shape, data: {} };
      for (const [target, bytes] of Object.entries(maps.values)) values[name].data[target] = typed(Float32Array, bytes);
    }
    draw();
  }

  function loadTables() {
    for (const [name, bytes] of Object.entries(model.get("tables"))) tables[name] = typed(Uint8Array, bytes);
  }

  function makePane(when, examination) {
    const pane = new Pane(`${when}-treatment`);
    const [, rows, columns] = Object.values(examination.sequences)[0].shape;
    pane.resize(rows, columns, examination.spacing, examination.letters);
    pane.truth = shape("g");
    pane.region = shape("rect", { class: "npc-box npc-suggested" });
    pane.lines.append(pane.truth, pane.region);
    pane.frame.addEventListener("pointermove", (event) => hover(when, event));
    pane.frame.addEventListener("pointerleave", () => (status.textContent = " "));
    onWheel(pane.frame, move);
    return pane;
  }

  function move(step) {
    const most = Math.max(...Object.keys(panes).map((when) => sequence(when)?.shape[0] || 1));
    set("slice_index", clamp(model.get("slice_index") + step, 0, most - 1));
  }

  // The map of a pane: signed cells, rectangle, and the value that gets the full colour.
  function mapOf(when) {
    const images = sequence(when);
    if (!images) return null;
    const which = model.get("model") === "own" ? when : model.get("model");
    const maps = values[`${when} ${which}`], target = model.get("target");
    const place = images.rows.find((row) => row[1] === sliceOf(images));
    if (!maps || !place) return null;
    const [, h, w] = maps.shape, all = maps.data[target];
    const cells = all.subarray(place[0] * h * w, (place[0] + 1) * h * w);
    const limits = { image: highest(cells), patient: patientLimit(which, target),
      cohort: (model.get("limits")[which] || {})[target] || 0 };
    return { cells, h, w, box: place.slice(2), limit: limits[model.get("scale")], top: highest(cells) };
  }

  const highest = (numbers) => numbers.reduce((most, number) => Math.max(most, number), 0);

  function patientLimit(which, target) {
    const shown = Object.keys(panes).map((when) => values[`${when} ${which}`]).filter(Boolean);
    return Math.max(0, ...shown.map((maps) => highest(maps.data[target])));
  }

  // For each image column (or row) inside the rectangle: left cell, right cell, share of the right.
  function weights(start, end, n, axis) {
    const { canvas, shrink, first_centre, stride, cut } = model.get("geometry"), shares = [];
    const offset = Math.floor((canvas - (end - start)) / 2);
    for (let i = 0; i < end - start; i++) {
      const pixel = (i + offset + 0.5) / shrink - 0.5;
      let cell = clamp((pixel - cut[axis] - first_centre) / stride, 0, n - 1);
      if (model.get("cells")) cell = Math.round(cell);
      const left = Math.min(Math.floor(cell), n - 1);
      shares.push([left, Math.min(left + 1, n - 1), cell - left]);
    }
    return shares;
  }

  function valueAt(map, across, down, x, y) {
    const [l, r, f] = across[x], [t, b, g] = down[y], { cells, w } = map;
    return (1 - g) * ((1 - f) * cells[t * w + l] + f * cells[t * w + r]) +
      g * ((1 - f) * cells[b * w + l] + f * cells[b * w + r]);
  }

  // --- drawing -------------------------------------------------------------------------------

  const draw = oncePerFrame(() => {
    const start = performance.now();
    sequences.value = model.get("sequence");
    for (const when of Object.keys(panes)) drawPane(when);
    drawScale();
    root.dataset.drawMs = (performance.now() - start).toFixed(2);
  });

  function drawPane(when) {
    const pane = panes[when], images = sequence(when);
    pane.truth.replaceChildren();
    pane.region.setAttribute("visibility", "hidden");
    if (!images) {
      pane.words.fill(0xff000000);
      pane.caption.textContent = `${when}-treatment: no ${model.get("sequence").toUpperCase()}`;
      pane.paint();
      return;
    }
    const slice = sliceOf(images), size = images.shape[1] * images.shape[2];
    const grey = volumes[when][model.get("sequence")].subarray(slice * size, (slice + 1) * size);
    for (let k = 0; k < size; k++) pane.words[k] = 0xff000000 | (grey[k] * 0x010101);
    const map = mapOf(when);
    if (map && !hidden) blend(pane, map, grey);
    pane.paint();
    if (map) {
      const [x0, y0, x1, y1] = map.box;
      const place = { x: x0, y: y0, width: x1 - x0, height: y1 - y0, visibility: "visible" };
      for (const [name, value] of Object.entries(place)) pane.region.setAttribute(name, value);
    }
    if (model.get("outline") && masks[when]) drawTruth(pane, when, slice, images.shape);
    const evidence = !map ? "no map" : map.top > 0 ? "" : "no positive evidence";
    pane.caption.textContent =
      `${when}-treatment ${model.get("sequence").toUpperCase()}, slice ${slice + 1} of ${images.shape[0]}` +
      (evidence && ` – ${evidence}`);
  }

  function blend(pane, map, grey) {
    if (map.top <= 0) return;
    const [x0, y0, x1, y1] = map.box, table = tables[model.get("colours")], data = pane.picture.data;
    const across = weights(x0, x1, map.w, 1), down = weights(y0, y1, map.h, 0);
    const opacity = model.get("opacity"), factor = map.limit > 0 ? 255 / map.limit : 0;
    for (let y = y0; y < y1; y++) {
      for (let x = x0; x < x1; x++) {
        const share = clamp(Math.round(valueAt(map, across, down, x - x0, y - y0) * factor), 0, 255);
        const k = y * pane.columns + x;
        for (let c = 0; c < 3; c++) {
          data[4 * k + c] = (1 - opacity) * grey[k] + opacity * table[3 * share + c];
        }
      }
    }
  }

  function drawTruth(pane, when, slice, [, rows, columns]) {
    const bits = masks[when], first = slice * rows * columns;
    const inside = (row, column) => {
      if (row < 0 || column < 0 || row >= rows || column >= columns) return 0;
      const place = first + row * columns + column;
      return (bits[place >> 3] >> (7 - (place & 7))) & 1;
    };
    let path = "";
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        if (!inside(row, column)) continue;
        if (!inside(row - 1, column)) path += `M${column} ${row}h1`;
        if (!inside(row + 1, column)) path += `M${column} ${row + 1}h1`;
        if (!inside(row, column - 1)) path += `M${column} ${row}v1`;
        if (!inside(row, column + 1)) path += `M${column + 1} ${row}v1`;
      }
    }
    if (path) pane.truth.append(shape("path", { d: path, class: "npc-truth-halo" }), shape("path", { d: path, class: "npc-truth" }));
  }

  function drawScale() {
    const context = scale.getContext("2d"), picture = context.createImageData(256, 1);
    const table = tables[model.get("colours")];
    for (let k = 0; k < 256; k++) picture.data.set([...table.subarray(3 * k, 3 * k + 3), 255], 4 * k);
    context.putImageData(picture, 0, 0);
    const tops = Object.keys(panes).map((when) => [when, mapOf(when)]).filter(([, map]) => map);
    const texts = tops.map(([when, { limit }]) => `${limit.toPrecision(3)} (${when})`);
    scaleText.textContent = `0 to ${texts.join(", ") || "–"}`;
    const slices = Math.max(1, ...Object.keys(panes).map((when) => sequence(when)?.shape[0] || 1));
    const bar = sliceBar.querySelector("input");
    bar.max = slices - 1;
    bar.value = model.get("slice_index"); // a browser keeps no value beyond the maximum before
  }

  function hover(when, event) {
    const pane = panes[when], map = mapOf(when), images = sequence(when);
    const [x, y] = pane.at(event).map(Math.floor);
    if (!images || x < 0 || y < 0 || x >= pane.columns || y >= pane.rows) return;
    const grey = volumes[when][model.get("sequence")][(sliceOf(images) * pane.rows + y) * pane.columns + x];
    let text = `${when}: column ${x}, row ${y}, grey ${grey}`;
    if (map) {
      const [x0, y0, x1, y1] = map.box;
      if (x >= x0 && x < x1 && y >= y0 && y < y1) {
        const value = valueAt(map, weights(x0, x1, map.w, 1), weights(y0, y1, map.h, 0), x - x0, y - y0);
        text += `, map ${value.toPrecision(3)}`;
      } else {
        text += ", not seen by the network";
      }
    }
    status.textContent = text;
  }

  // --- keys and changes ----------------------------------------------------------------------

  const keys = {
    PageUp: () => move(1), ArrowUp: () => move(1), PageDown: () => move(-1), ArrowDown: () => move(-1),
    f: () => flicker(true), Escape: (event) => event.target.blur(),
    "[": () => step(-1), "]": () => step(1),
  };
  root.addEventListener("keydown", (event) => {
    const react = keys[event.key];
    if (!react || event.ctrlKey || event.metaKey || !event.target.closest(".npc-frame")) return;
    react(event);
    event.preventDefault();
  });
  root.addEventListener("keyup", (event) => event.key === "f" && flicker(false));
  listen("examinations", loadPatient);
  listen("maps", loadMaps);
  for (const name of ["sequence", "slice_index", "model", "target", "colours", "scale", "opacity", "outline", "cells"]) {
    listen(name, draw);
  }
  const seen = new IntersectionObserver(draw);
  seen.observe(root);
  loadTables();
  loadPatient();
  return () => {
    seen.disconnect();
    clearTimeout(waiting);
    ends.forEach((stop) => stop());
  };
}

export default { render };
